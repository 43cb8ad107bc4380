"""The limit on the number of concurrent calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.telemetry import Metrics


class ConcurrencyLimit:
    """The limit on the number of concurrent calls. Both listeners and all snapshots share the limit.

    A call takes a slot before the gateway receives the call's request message. When the limit is reached, a
    new call takes over the slot of the call that has waited longest for its request message. This rule
    prevents clients that never send a request message from blocking all slots.

    Attributes:
        forwarding: the running tasks that forward calls which change something. Such a task continues even if
            the caller disconnects or the snapshot is replaced.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._active = 0
        self._receiving: dict[Slot, asyncio.Timeout] = {}  # the call of the first slot has waited longest
        self.forwarding: set[asyncio.Task[Any]] = set()

    def acquire(self) -> Slot:
        """Return a slot for a new call.

        The slot is released when the `with` block of the slot ends. If the slot is held for a task, the slot
        is released when both the `with` block and the task have ended.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED. The limit is reached, and no slot can be taken over.
        """
        if self._active >= self._limit and not self._evict():
            message = f"{self._limit} calls are under way; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
        self._active += 1
        self._metrics.change_active(1)
        return Slot(self)

    def release(self) -> None:
        """Decrease the number of active calls by one. Only the class Slot calls this method."""
        self._active -= 1
        self._metrics.change_active(-1)

    def add_receiving(self, slot: Slot, timeout: asyncio.Timeout) -> None:
        """Register a call that waits for its request message. Only the class Receiving calls this method.

        Args:
            slot: the slot of the waiting call.
            timeout: the timeout of the waiting call. The call is ended by means of this timeout.
        """
        self._receiving[slot] = timeout

    def remove_receiving(self, slot: Slot) -> bool:
        """Remove a call that no longer waits for its request message. Return whether it still has its slot.

        The result is false if a new call has taken over the slot. Only the class Receiving calls this method.
        """
        return self._receiving.pop(slot, None) is not None

    def _evict(self) -> bool:
        """End the call that has waited longest for its request message, and release the slot of this call.

        Return whether a call was ended.
        """
        for slot, timeout in self._receiving.items():
            if not timeout.expired():
                del self._receiving[slot]
                slot.release()
                timeout.reschedule(0)
                return True
        return False


class Receiving:
    """A context manager. In its `with` block, the gateway receives the request message of a call.

    Raises:
        TimeoutError: at the end of the block, if the request message did not arrive in time.
        GatewayError: RESOURCE_EXHAUSTED, at the end of the block, if a new call has taken over the slot.
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
        if not is_waiting:  # a new call has the slot, even if the request message arrived
            message = "too many calls wait for their request messages; send it with the head of the call"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)


class Slot:
    """The slot of one active call. A slot is a context manager, which can be used only once."""

    __slots__ = ("_is_released", "_limit", "_task")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._task: asyncio.Task[Any] | None = None
        self._is_released = False

    def receiving(self, deadline: float) -> Receiving:
        """Return a context manager. The request message must be received in its `with` block.

        Args:
            deadline: the time when the `with` block is cancelled, in seconds of the event loop's clock.
        """
        return Receiving(self._limit, self, deadline)

    def hold_for(self, task: asyncio.Task[Any]) -> None:
        """Keep the slot until a task is done, even if the `with` block of the slot ends earlier."""
        self._task = task
        self._limit.forwarding.add(task)
        task.add_done_callback(self._limit.forwarding.discard)

    def release(self) -> None:
        """Release the slot. If the slot is already released, do nothing."""
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
