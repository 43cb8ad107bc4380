"""The queue: who is served next, and who loses."""

from __future__ import annotations

import asyncio

import pytest

from gateway.limits.call_queue import CallQueue, QueuedCall


class Calls:
    """Makes waiters and remembers their numbers."""

    def __init__(self, queue: CallQueue) -> None:
        self.queue = queue
        self.names: dict[QueuedCall, str] = {}
        self._loop = asyncio.new_event_loop()

    def add(self, caller: str) -> tuple[QueuedCall, str | None]:
        """Add a call of a caller. Return it, and the name of the call that lost its place."""
        waiter = QueuedCall(caller, self._loop.create_future())
        self.names[waiter] = f"{caller}{sum(one.caller == caller for one in self.names) + 1}"
        loser = self.queue.add(waiter)
        return waiter, self.names[loser] if loser else None

    def pop(self, count: int, *, newest: bool = False) -> str:
        return " ".join(self.names[self.queue.pop(newest=newest)] for _ in range(count))

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def calls() -> Calls:
    calls = Calls(CallQueue(6))
    calls.close()
    return calls


def test_callers_take_turns(calls: Calls) -> None:
    for caller in "aaabbc":
        calls.add(caller)
    assert len(calls.queue) == 6
    assert calls.pop(6) == "a1 b1 c1 a2 b2 a3"
    assert len(calls.queue) == 0
    with pytest.raises(KeyError):
        calls.pop(1)


def test_the_calls_of_one_caller_are_served_in_order_or_the_newest_first(calls: Calls) -> None:
    for caller in "aaabbb":
        calls.add(caller)
    assert calls.pop(4, newest=True) == "a3 b3 a2 b2"
    assert calls.pop(2) == "a1 b1"


def test_a_caller_that_has_just_had_its_turn_waits_for_the_others(calls: Calls) -> None:
    for caller in "aaa":
        calls.add(caller)
    assert calls.pop(1) == "a1"
    calls.add("b")
    assert calls.pop(3) == "b1 a2 a3"
    calls.queue.note_served("c")
    for caller in "cd":
        calls.add(caller)
    assert calls.pop(2) == "d1 c1"


def test_of_one_caller_with_1000_calls_and_another_with_one_the_other_is_next() -> None:
    calls = Calls(CallQueue(1001))
    for _ in range(1000):
        calls.add("greedy")
    assert calls.pop(1) == "greedy1"
    calls.add("other")
    assert calls.pop(2) == "other1 greedy2"
    calls.close()


def test_a_full_queue_refuses_the_caller_with_the_most_calls(calls: Calls) -> None:
    for caller in "aaaaab":
        assert calls.add(caller)[1] is None
    assert calls.add("a")[1] == "a6"  # the new one
    assert calls.add("c")[1] == "a5"  # the newest in the queue
    assert calls.add("c")[1] == "a4"
    assert calls.add("b")[1] == "a3"
    assert calls.add("b")[1] == "b3"  # nobody has more calls
    assert calls.add("d")[1] == "a2"
    assert calls.add("a")[1] == "a7"  # it would have as many as b
    assert len(calls.queue) == 6
    assert calls.pop(6) == "a1 b1 c1 d1 b2 c2"


def test_a_queue_without_places_refuses_every_call() -> None:
    calls = Calls(CallQueue(0))
    assert calls.add("a")[1] == "a1"
    assert len(calls.queue) == 0
    calls.close()


def test_a_waiter_is_removed_once(calls: Calls) -> None:
    waiter, _ = calls.add("a")
    second, _ = calls.add("a")
    assert calls.queue.remove(waiter)
    assert not calls.queue.remove(waiter)
    assert calls.queue.remove(second)
    assert not calls.queue.remove(second)
    assert len(calls.queue) == 0


async def test_a_wait_ends_once() -> None:
    waiter = QueuedCall("a", asyncio.get_running_loop().create_future())
    assert waiter.end(None)
    assert not waiter.end(None)
    assert await waiter.future is None
