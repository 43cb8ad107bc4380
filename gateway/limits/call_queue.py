"""The queue of the calls that wait for a slot. It is fair between callers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from gateway.value_class import value_class

if TYPE_CHECKING:
    import asyncio

    from gateway.errors import GatewayError


@value_class(frozen=True, slots=True, eq=False)
class QueuedCall:
    """A call that waits for a slot.

    Attributes:
        caller: the key of the caller.
        future: the result of the wait: None if the call has a slot, or the error that ends the call.
    """

    caller: str
    future: asyncio.Future[GatewayError | None]

    def end(self, error: GatewayError | None) -> bool:
        """Set the result of the wait. Return whether the call still waited."""
        if self.future.done():
            return False
        self.future.set_result(error)
        return True


class CallQueue:
    """The calls that wait for a slot.

    The queue takes turns between callers, so a caller with many waiting calls does not delay the calls of
    another caller. If the queue is full, the caller with the most waiting calls loses its newest call.

    All methods take constant time, except for `add` if the queue is full. Then the time grows with the
    number of callers in the queue.
    """

    def __init__(self, capacity: int) -> None:
        """Initialize an empty queue.

        Args:
            capacity: the maximum number of waiting calls.
        """
        self._capacity = capacity
        self._callers: OrderedDict[str, OrderedDict[QueuedCall, None]] = OrderedDict()
        self._length = 0
        self._last = ""

    def __len__(self) -> int:
        return self._length

    def note_served(self, caller: str) -> None:
        """Note that a caller has had its turn."""
        self._last = caller

    def add(self, waiter: QueuedCall) -> QueuedCall | None:
        """Add a waiter. Return the waiter that loses its place; None if there was a free place.

        The waiter that loses its place may be the added one.
        """
        if self._length >= self._capacity:
            loser = self._choose_loser(waiter)
            if loser is waiter:
                return waiter
            self.remove(loser)
        else:
            loser = None
        self._callers.setdefault(waiter.caller, OrderedDict())[waiter] = None
        self._length += 1
        return loser

    def pop(self, *, newest: bool) -> QueuedCall:
        """Remove and return a waiter of the caller whose turn it is.

        Args:
            newest: whether to return the newest waiter of the caller, instead of the oldest one.

        Raises:
            KeyError: the queue is empty.
        """
        caller, waiters = self._callers.popitem(last=False)
        if caller == self._last and self._callers:
            self._callers[caller] = waiters  # the caller is now the last one
            caller, waiters = self._callers.popitem(last=False)
        waiter, _ = waiters.popitem(last=newest)
        if waiters:
            self._callers[caller] = waiters
            self._callers.move_to_end(caller, last=False)
        self._length -= 1
        self._last = caller
        return waiter

    def remove(self, waiter: QueuedCall) -> bool:
        """Remove a waiter. Return whether the waiter was in the queue."""
        waiters = self._callers.get(waiter.caller)
        if waiters is None or waiter not in waiters:
            return False
        del waiters[waiter]
        if not waiters:
            del self._callers[waiter.caller]
        self._length -= 1
        return True

    def _choose_loser(self, waiter: QueuedCall) -> QueuedCall:
        if not self._callers:
            return waiter
        longest = max(self._callers.values(), key=len)
        if len(self._callers.get(waiter.caller, ())) + 1 >= len(longest):
            return waiter
        return next(reversed(longest))
