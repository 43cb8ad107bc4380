"""The limit on the number of concurrent calls, and the queue of the calls that wait for a slot."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

from gateway.limits.call_queue import CallQueue, QueuedCall
from gateway.limits.refusals import overloaded
from gateway.limits.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.errors import GatewayError
    from gateway.limits.call_counts import Claim
    from gateway.limits.overload_report import OverloadReport
    from gateway.limits.slot import Receiving
    from gateway.telemetry import Metrics

GRACE_S = 0.05
"""The time in which a call may receive its request message before it can lose its slot, in seconds.

Without this time, each new call of an overload would end the call before it, and no call would be served.
"""
SHED_FRACTION = 0.05
"""The part of the longest wait that is allowed while the queue is standing."""
QUIET_FRACTION = 0.25
"""The part of the longest wait for which the queue must be empty until it does not count as standing."""


class ConcurrencyLimit:
    """The limit on the number of concurrent calls. Both listeners and all snapshots share the limit.

    A call takes a slot before the gateway receives the call's request message. When no slot is free, a new
    call takes over the slot of the call that has waited longest for its request message. This rule prevents
    clients that never send a request message from blocking all slots. If there is no such call, the new call
    waits in the queue.

    A queue that is never empty does not absorb a burst, it only delays every call. So if the queue has not
    been empty for the longest wait, it is standing: a new call may wait only a twentieth of this time, and of
    the calls of one caller the newest one is served first, because the others are about to be refused. This
    is the rule of "Fail at Scale" (https://queue.acm.org/detail.cfm?id=2839461). The queue stands until it
    has been empty for a quarter of the longest wait, because an overload is not over when no call happens to
    arrive for a moment. While calls without a request message hold slots, the wait is longer by the time in
    which they keep them.

    Attributes:
        forwarding: the running tasks that forward calls which change something. Such a task continues even if
            the caller disconnects or the snapshot is replaced.
    """

    def __init__(
        self,
        limit: int,
        metrics: Metrics,
        report: OverloadReport | None = None,
        *,
        queue: int = 0,
        queue_s: float = 1.0,
        grace_s: float = GRACE_S,
    ) -> None:
        """Initialize the limit.

        Args:
            limit: the maximum number of active calls.
            metrics: the instruments of the gateway.
            report: reports that calls are refused; None if nothing is reported.
            queue: the maximum number of calls in the queue.
            queue_s: the longest wait in the queue, in seconds.
            grace_s: the time in which a call may receive its request message before it can lose its slot, in
                seconds. It is at most a quarter of the longest wait.
        """
        self._limit = limit
        self._metrics = metrics
        self._report = report
        self._capacity = queue
        self._queue_s = queue_s
        self._grace_s = min(grace_s, queue_s / 4)
        self._active = 0
        self._receiving: dict[Slot, Receiving] = {}  # the call of the first slot has waited longest
        self._queue = CallQueue(queue)
        self._standing_since = 0.0  # when a call was added to the queue, which had been empty for some time
        self._last_waited = -math.inf  # when the last call left the queue
        self._eviction: asyncio.TimerHandle | None = None
        self.forwarding: set[asyncio.Task[Any]] = set()
        metrics.watch_active(lambda: self._active)

    @property
    def active(self) -> int:
        """The number of active calls."""
        return self._active

    @property
    def queued(self) -> int:
        """The number of calls in the queue."""
        return len(self._queue)

    async def acquire(self, caller: str = "", claims: Sequence[Claim] = ()) -> Slot:
        """Return a slot for a new call. The call may wait in the queue.

        The slot is released when the `with` block of the slot ends. If the slot is held for a task, the slot
        is released when both the `with` block and the task have ended.

        Args:
            caller: the key of the caller.
            claims: the claims that are released together with the slot.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED. No slot was free in time, and none could be taken over.
        """
        if not self._queue and (self._active < self._limit or self._evict()):
            self._queue.note_served(caller)
            self._active += 1
        elif not self._capacity:
            raise self._refuse(self._describe(), "concurrency")
        else:
            await self._wait(caller)
        return Slot(self, claims)

    def release(self) -> None:
        """Decrease the number of active calls by one. Only the class Slot calls this method."""
        self._active -= 1
        if self._queue:
            self._serve()

    def add_receiving(self, slot: Slot, receiving: Receiving) -> None:
        """Register a call that waits for its request message. Only the class Receiving calls this method."""
        self._receiving[slot] = receiving
        if self._queue:
            self._plan_eviction()

    def remove_receiving(self, slot: Slot) -> bool:
        """Remove a call that no longer waits for its request message. Return whether it still has its slot.

        The result is false if a new call has taken over the slot. Only the class Receiving calls this method.
        """
        return self._receiving.pop(slot, None) is not None

    def evicted(self) -> GatewayError:
        """Count a call whose slot a new call has taken over, and return the error of this call."""
        message = "too many calls wait for their request messages; send it with the head of the call"
        return self._refuse(message, "concurrency")

    def _evict(self) -> bool:
        """End the call that has waited longest for its request message, and free the slot of this call.

        Return whether a call was ended. A call is not ended in the first moments of its wait.
        """
        latest = asyncio.get_running_loop().time() - self._grace_s
        for slot, receiving in self._receiving.items():
            if receiving.since > latest:
                return False
            if not receiving.timeout.expired():
                del self._receiving[slot]
                slot.take_away()
                self._active -= 1
                receiving.timeout.reschedule(0)
                return True
        return False

    async def _wait(self, caller: str) -> None:
        """Wait until the call has a slot."""
        loop, started_ns = asyncio.get_running_loop(), time.perf_counter_ns()
        waiter, outcome = QueuedCall(caller, loop.create_future()), "cancelled"
        longest_s = self._add(waiter, loop.time())
        timer = loop.call_later(longest_s, self._expire, waiter, longest_s)
        self._metrics.change_queued(1)
        self._serve()
        try:
            error = await waiter.future
            outcome = "refused" if error else "admitted"
        except asyncio.CancelledError:
            self._last_waited = loop.time()
            if not self._queue.remove(waiter) and _was_admitted(waiter):
                self.release()
            raise
        finally:
            timer.cancel()
            self._metrics.change_queued(-1)
            self._metrics.record_queue((time.perf_counter_ns() - started_ns) / 1e9, outcome)
        if error:
            raise error

    def _add(self, waiter: QueuedCall, now: float) -> float:
        """Add a call to the queue, and return how long it may wait, in seconds."""
        if not self._queue:
            has_stood = self._last_waited - self._standing_since >= self._queue_s
            if not has_stood or now - self._last_waited > self._queue_s * QUIET_FRACTION:
                self._standing_since = now
        loser = self._queue.add(waiter)
        if loser is waiter:
            raise self._refuse(self._describe(), "queue")
        if loser is not None:
            cause = f"the queue of {self._capacity} calls (limits.queue) is full, most are of this caller"
            self._end(loser, cause, "queue")
        if not self._is_standing(now):
            return self._queue_s
        # A call without a message loses its slot only after its grace, and another call takes it over then.
        return self._queue_s * SHED_FRACTION + (self._grace_s if self._receiving else 0.0)

    def _expire(self, waiter: QueuedCall, longest_s: float) -> None:
        """Refuse a call that has waited too long."""
        self._queue.remove(waiter)
        self._last_waited = asyncio.get_running_loop().time()
        is_whole = longest_s == self._queue_s
        key = "limits.queue_s" if is_whole else "a part of limits.queue_s, because others wait all the time"
        cause = f"no slot was free within {longest_s:g} s ({key}); {self._describe()}"
        self._end(waiter, cause, "queue_s")

    def _end(self, waiter: QueuedCall, cause: str, limit: str) -> None:
        """Refuse a call that waits, unless its caller has just gone."""
        if not waiter.future.done():
            waiter.end(self._refuse(cause, limit))

    def _serve(self) -> None:
        """Give the free slots to waiting calls."""
        now = asyncio.get_running_loop().time()
        newest = self._is_standing(now)
        while self._queue and (self._active < self._limit or self._evict()):
            self._last_waited = now
            if self._queue.pop(newest=newest).end(None):
                self._active += 1
        self._plan_eviction()

    def _is_standing(self, now: float) -> bool:
        return len(self._queue) > 0 and now - self._standing_since >= self._queue_s

    def _plan_eviction(self) -> None:
        """Set a timer for the next call that can lose its slot to a waiting call."""
        if self._eviction is None and self._queue and self._receiving:
            since = next(iter(self._receiving.values())).since
            loop = asyncio.get_running_loop()
            self._eviction = loop.call_at(max(since + self._grace_s, loop.time()) + 0.001, self._end_grace)

    def _end_grace(self) -> None:
        self._eviction = None
        self._serve()

    def _describe(self) -> str:
        waiting = f" and {len(self._queue)} wait (limits.queue)" if self._capacity else ""
        return f"{self._active} calls are active (limits.concurrency){waiting}"

    def _refuse(self, cause: str, limit: str) -> GatewayError:
        self._metrics.record_refused(limit)
        if self._report is not None:
            self._report.note(f"{cause} (limits.{limit})")
        return overloaded(cause, f"limits.{limit}")


def _was_admitted(waiter: QueuedCall) -> bool:
    future = waiter.future
    return future.done() and not future.cancelled() and future.result() is None
