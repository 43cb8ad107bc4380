"""Idempotency keys: one key identifies one request, however often it is sent.

A key is bound by the first call that succeeds with it and is kept as long as the
emulator exists. With another method or request it is refused with
INVALID_ARGUMENT: the caller has used one key for two requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.emulator.status_error import invalid_argument

if TYPE_CHECKING:
    from google.protobuf.message import Message


class IdempotencyKeys:
    """The operation of each idempotency key."""

    def __init__(self) -> None:
        self._bound: dict[str, tuple[str, bytes, str]] = {}

    def recall(self, key: str, method: str, request: Message) -> str | None:
        """Return the ID of the operation that the key led to, or None for a new key.

        Raises:
            StatusError: INVALID_ARGUMENT, the key belongs to another request.
        """
        if key not in self._bound:
            return None
        bound_method, bound_request, operation_id = self._bound[key]
        if (bound_method, bound_request) != (method, _canonical(request)):
            raise invalid_argument(f"idempotency key {key!r} was used with another request")
        return operation_id

    def remember(self, key: str, method: str, request: Message, operation_id: str) -> None:
        """Bind a key to the operation that it led to."""
        self._bound[key] = (method, _canonical(request), operation_id)


def _canonical(request: Message) -> bytes:
    # Maps come in any order; the same labels are the same request.
    return request.SerializeToString(deterministic=True)
