"""The exception that ends a call of the emulator with a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.any_pb2 import Any as AnyMessage


class StatusError(Exception):
    """The call ends with this status.

    Attributes:
        code: the canonical code, never OK.
        message: the message for the caller.
        details: packed google.rpc messages that explain the status.
    """

    def __init__(self, code: Code, message: str, details: Sequence[AnyMessage] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


def invalid_argument(message: str) -> StatusError:
    """Return the error of a request that is malformed."""
    return StatusError(Code.INVALID_ARGUMENT, message)


def not_found(kind: str, resource_id: str) -> StatusError:
    """Return the error of a call about a resource that does not exist."""
    return StatusError(Code.NOT_FOUND, f"{kind} {resource_id!r} not found")
