"""The limit of concurrent calls."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from gateway.telemetry import Metrics


class ConcurrencyLimit:
    """Counts the calls under way, over both listeners and every snapshot.

    A call takes its slot before its request message is received. At the limit a new
    call takes the slot of the call that has waited longest for its message: a caller
    that does not send its message must not keep others out.

    Attributes:
        forwarding: changes that were forwarded; they end independently of caller and snapshot.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._active = 0
        self._receiving: dict[Slot, asyncio.Timeout] = {}  # the slot that has waited longest comes first
        self.forwarding: set[asyncio.Task[Any]] = set()

    def acquire(self) -> Slot:
        """Return a slot. It is taken until its block ends, or longer when it is held for a task.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED when the limit is reached.
        """
        if self._active >= self._limit and not self._evict():
            message = f"{self._limit} calls are under way; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
        self._active += 1
        self._metrics.change_active(1)
        return Slot(self)

    def release(self) -> None:
        """Return a slot; only a Slot calls this."""
        self._active -= 1
        self._metrics.change_active(-1)

    def add_receiving(self, slot: Slot, timeout: asyncio.Timeout) -> None:
        """Note that a call waits for its request message; only a Slot calls this."""
        self._receiving[slot] = timeout

    def remove_receiving(self, slot: Slot) -> bool:
        """Return whether a call still waited: no other call has taken its slot; only a Slot calls this."""
        return self._receiving.pop(slot, None) is not None

    def _evict(self) -> bool:
        """End the call that has waited longest for its message; return whether there was one."""
        for slot, timeout in self._receiving.items():
            if not timeout.expired():
                del self._receiving[slot]
                slot.release()
                timeout.reschedule(0)
                return True
        return False


class Slot:
    """The slot of one active call. A context manager; enter it once."""

    __slots__ = ("_is_released", "_limit", "_task")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._task: asyncio.Task[Any] | None = None
        self._is_released = False

    @asynccontextmanager
    async def receiving(self, deadline: float) -> AsyncIterator[None]:
        """Receive the request message in this block.

        Args:
            deadline: the deadline by the event loop's clock, in seconds.

        Raises:
            TimeoutError: the message did not arrive in time.
            GatewayError: RESOURCE_EXHAUSTED when a new call has taken the slot.
        """
        timeout = asyncio.timeout_at(deadline)
        is_waiting = True
        try:
            async with timeout:
                self._limit.add_receiving(self, timeout)
                try:
                    yield
                finally:
                    is_waiting = self._limit.remove_receiving(self)
        except TimeoutError:
            if is_waiting:
                raise
        if not is_waiting:  # also when the message arrived at the last moment: the slot is another call's
            message = "too many calls wait for their request messages; send it with the head of the call"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)

    def hold_for(self, task: asyncio.Task[Any]) -> None:
        """Keep the slot until a task is done, even when the block ends before: its work still goes on."""
        self._task = task
        self._limit.forwarding.add(task)
        task.add_done_callback(self._limit.forwarding.discard)

    def release(self) -> None:
        """Return the slot, once."""
        if not self._is_released:
            self._is_released = True
            self._limit.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is None or self._task.done():
            self.release()
        else:
            self._task.add_done_callback(lambda _: self.release())
