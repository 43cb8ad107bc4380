"""The limit on the number of active calls of one infrastructure method."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.addresses import address_key
from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator


class StreamLimit:
    """Limits the number of active calls, in total and for each address."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._active: Counter[str] = Counter()

    @contextmanager
    def admit(self, address: str) -> Iterator[None]:
        """Return a context manager that counts a call during its block.

        Args:
            address: the IP address of the peer.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED if too many calls are active.
        """
        key = address_key(address)
        if self._active.total() >= self._total or self._active[key] >= self._per_address:
            message = "too many calls of this method are active; end some of them, or retry later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "OVERLOADED", message)
        self._active[key] += 1
        try:
            yield
        finally:
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]
