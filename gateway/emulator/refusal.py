"""The one exception by which a call to the emulator ends badly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.any_pb2 import Any as AnyMessage


class Refusal(Exception):  # noqa: N818 - it is an answer, not a defect
    """The call is answered with this status.

    Attributes:
        code: the canonical code, never OK.
        message: for the caller.
        details: packed google.rpc messages that explain the status.
    """

    def __init__(self, code: Code, message: str, details: Sequence[AnyMessage] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


def invalid_argument(message: str) -> Refusal:
    """Return the refusal of a request that cannot be understood."""
    return Refusal(Code.INVALID_ARGUMENT, message)


def not_found(kind: str, resource_id: str) -> Refusal:
    """Return the refusal of a call about a resource that is not there."""
    return Refusal(Code.NOT_FOUND, f"{kind} {resource_id!r} not found")
