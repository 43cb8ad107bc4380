"""Slots: how many there are, who gets one, and who waits. The time is virtual."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from functools import partial

import pytest

from gateway.errors import Code, GatewayError
from tests.limits.limited import Limited, deadline, make
from tests.virtual_time import run_virtual


async def test_without_a_queue_a_call_over_the_limit_is_refused() -> None:
    limited = make(2)
    with await limited.limit.acquire(), await limited.limit.acquire():
        with pytest.raises(GatewayError) as caught:
            await limited.limit.acquire()
        error = caught.value
        assert (error.code, error.reason, error.retry_after_s) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED", 1)
        assert error.message == "2 calls are active (limits.concurrency); try again in 1 s"
    await limited.limit.acquire()
    assert (limited.active, limited.refused("concurrency")) == (1, 1)


def test_at_the_limit_the_call_that_waited_longest_for_its_message_ends() -> None:
    async def test() -> None:
        limited, tasks = make(2), []
        for _ in range(4):
            tasks.append(asyncio.create_task(limited.receive()))
            await asyncio.sleep(0.2)
            assert limited.active <= 2
        assert [task.done() for task in tasks] == [True, True, False, False]
        assert (await tasks[0]).startswith("too many calls wait for their request messages; send it with")
        assert limited.refused("concurrency") == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limited.active == 0

    run_virtual(test)


def test_a_call_that_has_just_begun_to_receive_its_message_keeps_its_slot() -> None:
    async def test() -> None:
        limited = make(1)
        first = asyncio.create_task(limited.receive())
        await asyncio.sleep(0.09)
        assert (await limited.call()).startswith("1 calls are active")
        await asyncio.sleep(0.02)
        assert await limited.call() == "served"
        assert (await first).startswith("too many calls wait for their request messages")

    run_virtual(test)


def test_a_call_in_the_queue_takes_the_slot_of_a_call_without_a_message() -> None:
    async def test() -> None:
        limited, loop = make(1, queue=2), asyncio.get_running_loop()
        started = loop.time()
        first = asyncio.create_task(limited.receive())
        await asyncio.sleep(0)
        assert await limited.call() == "served"
        assert loop.time() - started == pytest.approx(0.1, abs=0.01)
        assert (await first).startswith("too many calls")
        # A call that waits already does so too when the calls before it begin to receive only then.
        held = await limited.limit.acquire()
        waiting = [asyncio.create_task(limited.receive()), asyncio.create_task(limited.call())]
        await asyncio.sleep(0.5)
        held.release()
        assert (await asyncio.gather(*waiting))[1] == "served"
        assert limited.active == limited.queued == 0

    run_virtual(test)


def test_while_a_queue_stands_a_call_can_still_take_the_slot_of_a_call_without_a_message() -> None:
    async def test() -> None:
        limited, loop = make(1, queue=50, queue_s=1.0, grace_s=0.1), asyncio.get_running_loop()
        held = await limited.limit.acquire()
        before = [asyncio.create_task(limited.call("a")) for _ in range(2)]
        await asyncio.sleep(0.9)
        between = asyncio.create_task(limited.receive())
        await asyncio.sleep(0.6)  # now the queue stands for 1.5 s
        held.release()
        await asyncio.sleep(0)  # the call without a message has the slot
        started = loop.time()
        assert await limited.call("b") == "served"
        assert loop.time() - started == pytest.approx(0.1, abs=0.01)
        assert (await between).startswith("too many calls")
        assert all("no slot was free" in one for one in await asyncio.gather(*before))

    run_virtual(test)


async def test_a_call_whose_message_has_arrived_keeps_its_slot() -> None:
    limited = make(1, grace_s=0)
    with await limited.limit.acquire() as slot:
        async with slot.receiving(deadline()):
            pass
        with pytest.raises(GatewayError):
            await limited.limit.acquire()
        assert limited.active == 1


def test_a_call_waits_until_a_slot_is_free() -> None:
    async def test() -> None:
        limited, ended = make(1, queue=2), list[str]()
        names = ("first", "second", "third")
        calls = [asyncio.create_task(limited.call(name, 0.25, ended)) for name in names]
        await asyncio.sleep(0.1)
        assert (limited.active, limited.queued) == (1, 2)
        assert await asyncio.gather(*calls) == ["served"] * 3
        assert ended == ["first", "second", "third"]
        assert (limited.active, limited.queued) == (0, 0)
        assert limited.value('gateway_queue_duration_seconds_count{outcome="admitted"}') == 2

    run_virtual(test)


def test_a_call_does_not_wait_longer_than_the_limit_and_not_in_a_full_queue() -> None:
    async def test() -> None:
        limited, loop = make(1, queue=1, queue_s=0.5), asyncio.get_running_loop()
        with await limited.limit.acquire("a"):
            started = loop.time()
            waiting = asyncio.create_task(limited.call("a"))
            await asyncio.sleep(0)
            assert await limited.call("a") == (
                "1 calls are active (limits.concurrency) and 1 wait (limits.queue); try again in 1 s"
            )
            assert (await waiting).startswith("no slot was free within 0.5 s (limits.queue_s); 1 calls are")
            assert loop.time() - started == pytest.approx(0.5)
        assert (limited.refused("queue"), limited.refused("queue_s")) == (1, 1)
        assert limited.value('gateway_queue_duration_seconds_count{outcome="refused"}') == 1
        assert await limited.call() == "served"

    run_virtual(test)


def test_a_greedy_caller_does_not_harm_another() -> None:
    async def test() -> None:
        limited, ended = make(2, queue=1100, queue_s=60), list[str]()
        greedy = [asyncio.create_task(limited.call("greedy", 1.0, ended)) for _ in range(1002)]
        await asyncio.sleep(0.5)
        assert limited.queued == 1000
        await limited.call("other", 0.0, ended)
        assert ended.index("other") == 2  # next after the two that were active
        for task in greedy:
            task.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)
        assert limited.active == limited.queued == 0

    run_virtual(test)


def test_in_a_full_queue_the_greedy_caller_loses() -> None:
    async def test() -> None:
        limited = make(1, queue=3)
        with await limited.limit.acquire("greedy"):
            greedy = [asyncio.create_task(limited.call("greedy")) for _ in range(3)]
            await asyncio.sleep(0)
            other = asyncio.create_task(limited.call("other"))
            await asyncio.sleep(0.01)
            assert (await greedy[2]).startswith(
                "the queue of 3 calls (limits.queue) is full, most are of this"
            )
        assert await asyncio.gather(other, *greedy[:2]) == ["served"] * 3

    run_virtual(test)


def test_a_standing_queue_allows_a_twentieth_of_the_wait_and_serves_the_newest_call_first() -> None:
    async def test() -> None:
        limited, loop = make(1, queue=50, queue_s=1.0), asyncio.get_running_loop()
        held = await limited.limit.acquire()
        before = [asyncio.create_task(limited.call("a")) for _ in range(2)]
        await asyncio.sleep(0.6)
        between = asyncio.create_task(limited.call("a"))
        await asyncio.sleep(0.6)  # now the queue stands for 1.2 s
        assert [(await one).partition(" (")[0] for one in before] == ["no slot was free within 1 s"] * 2
        started = loop.time()
        assert "within 0.05 s (a part of limits.queue_s" in await limited.call("b")
        assert loop.time() - started == pytest.approx(0.05)
        late = [asyncio.create_task(limited.call("a", 0.01)) for _ in range(2)]
        await asyncio.sleep(0.01)
        tasks, order = [between, *late], list[int]()
        for number, task in enumerate(tasks):
            task.add_done_callback(partial(lambda done, _: order.append(done), number))
        held.release()
        assert await asyncio.gather(*tasks) == ["served"] * 3
        assert order == [2, 1, 0]
        # The queue has been empty for a moment only: it still stands.
        await asyncio.sleep(0.2)
        with await limited.limit.acquire():
            assert "within 0.05 s" in await limited.call("b")
        # It has been empty for more than a quarter of the wait: the whole wait is allowed again.
        await asyncio.sleep(0.3)
        held = await limited.limit.acquire()
        waiting = asyncio.create_task(limited.call())
        await asyncio.sleep(0.9)
        held.release()
        assert await waiting == "served"

    run_virtual(test)


def test_a_queue_that_is_mostly_empty_does_not_stand() -> None:
    async def test() -> None:
        limited = make(1, queue=50, queue_s=0.2)
        for _ in range(10):
            held = await limited.limit.acquire()
            waiting = asyncio.create_task(limited.call())
            await asyncio.sleep(0.002)
            held.release()
            assert await waiting == "served"
            await asyncio.sleep(0.04)  # less than a quarter of the longest wait
        held = await limited.limit.acquire()
        waiting = asyncio.create_task(limited.call())
        await asyncio.sleep(0.03)
        held.release()
        assert await waiting == "served"

    run_virtual(test)


def test_under_10_times_the_load_admitted_calls_wait_briefly_and_recovery_is_immediate() -> None:
    """8 slots and 0.05 s for each call make 160 calls a second; 1,600 arrive."""

    async def test() -> None:
        limited, loop = make(8, queue=16, queue_s=0.2), asyncio.get_running_loop()
        waits: list[float] = []
        refused: list[float] = []

        async def call(caller: str) -> None:
            started = loop.time()
            try:
                with await limited.limit.acquire(caller):
                    waits.append(loop.time() - started)
                    await asyncio.sleep(0.05)
            except GatewayError:
                refused.append(loop.time() - started)

        chosen, tasks = random.Random(7), []  # noqa: S311 - the choice of a caller
        for _ in range(16_000):
            tasks.append(asyncio.create_task(call(chosen.choice("abcdef"))))
            await asyncio.sleep(1 / 1600)
        await asyncio.gather(*tasks)
        assert 1500 <= len(waits) <= 1700  # no slot was idle
        assert sorted(waits)[len(waits) * 99 // 100] <= 0.15
        assert max(refused) <= 0.2 + 1e-6
        assert sorted(refused)[len(refused) * 99 // 100] <= 0.02 + 1e-6
        assert limited.active == limited.queued == 0
        assert await limited.call() == "served"

    run_virtual(test)


def test_a_caller_that_leaves_the_queue_leaves_no_trace() -> None:
    async def test() -> None:
        limited = make(1, queue=5)
        held = await limited.limit.acquire()
        waiting = [asyncio.create_task(limited.call()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert limited.queued == 2
        # The slot is given to a call whose caller leaves in the same moment; it goes on to the next one.
        held.release()
        waiting[1].cancel()
        assert await waiting[2] == "served"
        assert await asyncio.gather(*waiting[:2], return_exceptions=True) == [CANCELLED, CANCELLED]
        assert limited.active == limited.queued == 0
        # A caller that leaves just before a slot is free does not get it.
        held = await limited.limit.acquire()
        waiting = [asyncio.create_task(limited.call()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        held.release()
        assert await waiting[1] == "served"
        await asyncio.gather(*waiting, return_exceptions=True)
        assert limited.active == limited.queued == 0

    run_virtual(test)


class _Cancelled:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, asyncio.CancelledError)

    __hash__ = None  # type: ignore[assignment]


CANCELLED = _Cancelled()


@pytest.mark.parametrize("queue", [0, 3])
def test_the_count_is_right_after_many_calls_of_any_end(queue: int) -> None:
    async def call(limited: Limited, number: int) -> None:
        with suppress(GatewayError, TimeoutError, ConnectionError), await limited.limit.acquire() as slot:
            async with slot.receiving(deadline(0.002 * (number % 3))):
                await asyncio.sleep(0.001 * (number % 4))
            slot.hold_for(asyncio.ensure_future(asyncio.sleep(0.001 * (number % 2))))
            if number % 5 == 0:
                raise ConnectionError

    async def test() -> None:
        limited = make(5, queue=queue, queue_s=0.004, grace_s=0.001)
        for _ in range(20):
            tasks = [asyncio.create_task(call(limited, number)) for number in range(30)]
            await asyncio.sleep(0.001)
            for task in tasks[::7]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert 0 <= limited.active <= 5
        while limited.limit.forwarding:
            await asyncio.wait(limited.limit.forwarding)
        await asyncio.sleep(0)
        assert limited.active == limited.queued == 0

    run_virtual(test)
