"""The slot of a call: when it is returned, and the wait for the request message."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from gateway.errors import GatewayError
from gateway.limits import Slot
from tests.limits.limited import LONG_S, deadline, make
from tests.virtual_time import run_virtual


async def test_a_slot_is_returned_at_the_end_of_its_block() -> None:
    limited = make(1)
    for _ in range(3):
        with await limited.limit.acquire():
            assert limited.active == 1
    assert limited.active == 0


async def test_a_slot_is_kept_for_a_task_that_continues() -> None:
    limited, end = make(1), asyncio.Event()
    task = asyncio.ensure_future(end.wait())
    with await limited.limit.acquire() as slot:
        slot.hold_for(task)
    assert (limited.active, limited.limit.forwarding) == (1, {task})
    end.set()
    await task
    await asyncio.sleep(0)
    assert (limited.active, limited.limit.forwarding) == (0, set())


async def test_a_task_that_has_ended_keeps_no_slot() -> None:
    limited = make(1)
    task = asyncio.ensure_future(asyncio.sleep(0))
    with await limited.limit.acquire() as slot:
        slot.hold_for(task)
        await task
        assert (limited.active, limited.limit.forwarding) == (1, {task})
    assert (limited.active, limited.limit.forwarding) == (0, set())


async def test_a_message_that_does_not_arrive_in_time_is_a_timeout() -> None:
    limited = make(1)
    with await limited.limit.acquire() as slot, pytest.raises(TimeoutError):
        async with slot.receiving(deadline(0.01)):
            await asyncio.sleep(LONG_S)
    assert limited.active == 0


async def test_an_error_while_receiving_is_passed_on() -> None:
    limited = make(1)
    with await limited.limit.acquire() as slot, pytest.raises(ValueError, match="broken"):
        async with slot.receiving(deadline()):
            raise ValueError("broken")
    assert limited.active == 0


def test_claims_are_released_with_the_slot_also_when_it_is_taken_over() -> None:
    async def test() -> None:
        limited, released = make(1), list[int]()

        class Noted:
            def __init__(self, number: int) -> None:
                self.release = partial(released.append, number)

        first: Slot = await limited.limit.acquire("", [Noted(1)])  # type: ignore[list-item]
        receiving = first.receiving(deadline())
        await receiving.__aenter__()
        await asyncio.sleep(0.2)
        second = await limited.limit.acquire("", [Noted(2)])  # type: ignore[list-item]
        assert released == [1]
        first.release()
        assert (released, limited.active) == ([1], 1)
        second.release()
        second.release()
        assert (released, limited.active) == ([1, 2], 0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0.001)  # the timeout that ended the first call
        with pytest.raises(GatewayError):
            await receiving.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)

    run_virtual(test)
