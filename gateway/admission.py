"""How many calls may be under way at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from gateway.call import Reply
    from gateway.telemetry import Metrics


class Admission:
    """Counts the calls under way, over both listeners and every surface."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._active = 0
        # Changes that were forwarded: they end whatever becomes of their caller, and of their surface.
        self.forwarding: set[asyncio.Task[Reply]] = set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Let a call in for as long as the block lasts.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED when the limit is reached.
        """
        if self._active >= self._limit:
            message = f"{self._limit} calls are under way; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
        self._active += 1
        self._metrics.change_active(1)
        try:
            yield
        finally:
            self._active -= 1
            self._metrics.change_active(-1)
