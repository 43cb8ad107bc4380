"""The exception that ends a call to the emulator with a gRPC status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.any_pb2 import Any as AnyMessage


class StatusError(Exception):
    """An exception that ends the call with a gRPC status.

    Attributes:
        code: the canonical status code; never OK.
        message: the error message for the caller.
        details: the google.rpc detail messages, each packed in an Any.
    """

    def __init__(self, code: Code, message: str, details: Sequence[AnyMessage] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


def invalid_argument(message: str) -> StatusError:
    """Return the error for a malformed request."""
    return StatusError(Code.INVALID_ARGUMENT, message)


def not_found(kind: str, resource_id: str) -> StatusError:
    """Return the error for a call that names a resource which does not exist."""
    return StatusError(Code.NOT_FOUND, f"{kind} {resource_id!r} not found")
