"""The limit of concurrent calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
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
        if not is_waiting:  # also when the message arrived at the last moment: the slot is another call's
            message = "too many calls wait for their request messages; send it with the head of the call"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)


class Slot:
    """The slot of one active call. A context manager; enter it once."""

    __slots__ = ("_is_released", "_limit", "_task")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._task: asyncio.Task[Any] | None = None
        self._is_released = False

    def receiving(self, deadline: float) -> Receiving:
        """Return the context manager in whose block the request message is received.

        Args:
            deadline: the deadline by the event loop's clock, in seconds.
        """
        return Receiving(self._limit, self, deadline)

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
