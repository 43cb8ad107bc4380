"""Idempotency keys. A key identifies one request, even if a caller sends the request several times.

The first successful call that has a key binds the key to the request of the call. The
emulator keeps the key until it is reset or told to forget all keys. If a later call has
the same key, but another method or another request, this call is refused with
INVALID_ARGUMENT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.emulator.status_error import invalid_argument

if TYPE_CHECKING:
    from google.protobuf.message import Message


class IdempotencyKeys:
    """The idempotency keys. Each key is stored together with a method, a request and an operation."""

    def __init__(self) -> None:
        self._bound: dict[str, tuple[str, bytes, str]] = {}

    def recall(self, key: str, method: str, request: Message) -> str | None:
        """Return the ID of the operation that was started with a key, or None for a new key.

        Raises:
            StatusError: the key belongs to another request. The status code is INVALID_ARGUMENT.
        """
        if key not in self._bound:
            return None
        bound_method, bound_request, operation_id = self._bound[key]
        if (bound_method, bound_request) != (method, _canonical(request)):
            raise invalid_argument(f"idempotency key {key!r} was used with another request")
        return operation_id

    def remember(self, key: str, method: str, request: Message, operation_id: str) -> None:
        """Bind a key to a request and to the operation that the request started."""
        self._bound[key] = (method, _canonical(request), operation_id)


def _canonical(request: Message) -> bytes:
    # The order of map entries is not significant: requests that differ only in this order are equal.
    return request.SerializeToString(deterministic=True)
