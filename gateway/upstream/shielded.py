"""A future that stands for another future, and does not cancel it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context


class Shielded:
    """Stands for another future. A task that waits for it waits until the other future is done.

    When the task is cancelled, the wait ends, but the other future is not cancelled. The function
    asyncio.shield() does the same, but it needs a second future and a further turn of the event loop for each
    wait. Tasks wait for any object that has these methods and the attribute `_asyncio_future_blocking`
    (https://docs.python.org/3/library/asyncio-extending.html).
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_future", "_wake_up")

    def __init__(self, future: asyncio.Future[Any]) -> None:
        """Take over a future that a coroutine has yielded, because the coroutine waits for it."""
        future._asyncio_future_blocking = False  # noqa: SLF001 - no task waits for the future itself
        self._asyncio_future_blocking = True
        self._future = future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the future."""
        return self._future.get_loop()

    def add_done_callback(self, wake_up: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Register the only callback: the one with which a task continues."""
        self._wake_up, self._context = wake_up, context
        self._future.add_done_callback(wake_up, context=context)

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the signature of futures
        """End the wait, but not the future. Return false if the wait has ended already."""
        if not self._future.remove_done_callback(self._wake_up):
            return False
        self.get_loop().call_soon(self._wake_up, self, context=self._context)
        return True

    def result(self) -> Never:
        """Raise CancelledError. A task asks this object for the result only after cancel()."""
        raise asyncio.CancelledError
