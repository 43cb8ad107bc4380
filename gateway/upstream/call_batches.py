"""Calls that are sent to upstreams one right after another.

gRPC wakes a thread when it sends a call, and others when a response arrives. Calls that are sent one right
after another share these wake-ups, and the upstream can read them and respond to them together. With 16
concurrent callers, this takes a tenth less CPU than to send each call when it is ready.
"""

from __future__ import annotations

import asyncio
from types import coroutine
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

MAX_TURNS = 3
"""The maximum number of turns of the event loop for which a call waits."""


class CallBatches:
    """Lets calls wait for each other.

    A call waits for the next turn of the event loop, and for further ones while each of them brings more
    calls. There is no timer: if nothing else is to be done, the next turn follows at once.
    """

    def __init__(self) -> None:
        self._latest: _Batch | None = None

    @coroutine
    def wait(self) -> Generator[None, None, None]:
        """Wait until the calls of the present moment are sent."""
        batch = self._latest
        if batch is None or batch.is_complete:
            batch = self._latest = _Batch(asyncio.get_running_loop())
        batch.size += 1
        while not batch.is_complete:
            yield  # the task continues in the next turn, as after asyncio.sleep(0)


class _Batch:
    """Calls that are sent one right after another."""

    __slots__ = ("_known_size", "_loop", "_turns", "is_complete", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.size = 0
        self.is_complete = False
        self._known_size = 1
        self._turns = 1
        self._loop = loop
        loop.call_soon(self._look)

    def _look(self) -> None:
        """Complete the batch if the turn before has brought no more calls."""
        if self.size == self._known_size or self._turns == MAX_TURNS:
            self.is_complete = True
            return
        self._known_size = self.size
        self._turns += 1
        self._loop.call_soon(self._look)
