"""The limit of concurrent calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.telemetry import Metrics


class ConcurrencyLimit:
    """The limit of concurrent calls, for both listeners and all snapshots together.

    A call takes a slot before the request message is received. When the limit is reached, a new call
    takes the slot of the call that has waited longest for its request message. Otherwise, callers that
    do not send a request message could block other callers.

    Attributes:
        forwarding: the tasks of the changes that were forwarded. A task completes even if the caller
            disconnects or the snapshot is replaced.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._active = 0
        self._receiving: dict[Slot, asyncio.Timeout] = {}  # the first slot has waited longest
        self.forwarding: set[asyncio.Task[Any]] = set()

    def acquire(self) -> Slot:
        """Return a slot for a new call.

        The slot is taken until the `with` block of the slot ends. If the slot is held for a task, the slot
        is also taken until the task is done.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, because the limit is reached and no slot can be taken over.
        """
        if self._active >= self._limit and not self._evict():
            message = f"{self._limit} calls are under way; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
        self._active += 1
        self._metrics.change_active(1)
        return Slot(self)

    def release(self) -> None:
        """Release one slot. Only a Slot calls this method."""
        self._active -= 1
        self._metrics.change_active(-1)

    def add_receiving(self, slot: Slot, timeout: asyncio.Timeout) -> None:
        """Register a call that waits for its request message. Only a Slot calls this method."""
        self._receiving[slot] = timeout

    def remove_receiving(self, slot: Slot) -> bool:
        """Remove a call that no longer waits for its request message. Only a Slot calls this method.

        Return true if the call still had its slot, and false if another call has taken the slot.
        """
        return self._receiving.pop(slot, None) is not None

    def _evict(self) -> bool:
        """End the call that has waited longest for its request message, and release the call's slot.

        Return whether there was such a call.
        """
        for slot, timeout in self._receiving.items():
            if not timeout.expired():
                del self._receiving[slot]
                slot.release()
                timeout.reschedule(0)
                return True
        return False


class Receiving:
    """The block in which a call receives its request message.

    Its end raises TimeoutError if the message did not arrive in time, and GatewayError
    (RESOURCE_EXHAUSTED) if a new call has taken the slot.
    """

    __slots__ = ("_limit", "_slot", "_timeout")

    def __init__(self, limit: ConcurrencyLimit, slot: Slot, deadline: float) -> None:
        self._limit = limit
        self._slot = slot
        self._timeout = asyncio.timeout_at(deadline)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._limit.add_receiving(self._slot, self._timeout)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_waiting = self._limit.remove_receiving(self._slot)
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            if is_waiting:
                raise
        else:
            if kind is not None:
                return
        if not is_waiting:  # even if the message arrived: another call has the slot
            message = "too many calls wait for their request messages; send it with the head of the call"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)


class Slot:
    """The slot of one active call. A slot is a context manager that can be entered only once."""

    __slots__ = ("_is_released", "_limit", "_task")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._task: asyncio.Task[Any] | None = None
        self._is_released = False

    def receiving(self, deadline: float) -> Receiving:
        """Return a context manager. The caller receives the request message in the `with` block.

        Args:
            deadline: the time of the event loop's clock, in seconds, when the block is cancelled.
        """
        return Receiving(self._limit, self, deadline)

    def hold_for(self, task: asyncio.Task[Any]) -> None:
        """Keep the slot until a task is done, even if the `with` block of the slot ends earlier."""
        self._task = task
        self._limit.forwarding.add(task)
        task.add_done_callback(self._limit.forwarding.discard)

    def release(self) -> None:
        """Release the slot. Further calls have no effect."""
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
