"""Slots: how many there are, who gets one, and when it is returned."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.errors import Code, GatewayError
from gateway.limits import ConcurrencyLimit
from gateway.telemetry import Metrics

SOON_S = 20


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Resource.create())


def active(metrics: Metrics) -> float:
    for line in metrics.expose().decode().splitlines():
        if line.startswith("gateway_calls_active"):
            return float(line.rpartition(" ")[2])
    return 0.0


def deadline(seconds: float = SOON_S) -> float:
    return asyncio.get_running_loop().time() + seconds


def test_a_slot_is_returned_at_the_end_of_its_block(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(1, metrics)
    for _ in range(3):
        with limit.acquire():
            assert active(metrics) == 1
    assert active(metrics) == 0


def test_at_the_limit_a_call_is_refused(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(2, metrics)
    with limit.acquire(), limit.acquire():
        with pytest.raises(GatewayError) as caught:
            limit.acquire()
        assert (caught.value.code, caught.value.reason) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    limit.acquire()
    assert active(metrics) == 1


async def test_a_slot_is_kept_for_a_task_that_continues(metrics: Metrics) -> None:
    limit, end = ConcurrencyLimit(1, metrics), asyncio.Event()
    task = asyncio.ensure_future(end.wait())
    with limit.acquire() as slot:
        slot.hold_for(task)
    assert (active(metrics), limit.forwarding) == (1, {task})
    end.set()
    await task
    await asyncio.sleep(0)
    assert (active(metrics), limit.forwarding) == (0, set())


async def test_a_task_that_has_ended_keeps_no_slot(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(1, metrics)
    task = asyncio.ensure_future(asyncio.sleep(0))
    with limit.acquire() as slot:
        slot.hold_for(task)
        await task
    assert active(metrics) == 0


async def test_a_message_that_does_not_arrive_in_time_is_a_timeout(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(1, metrics)
    with limit.acquire() as slot, pytest.raises(TimeoutError):
        async with slot.receiving(deadline(0.01)):
            await asyncio.sleep(SOON_S)
    assert active(metrics) == 0


async def test_at_the_limit_the_call_that_waited_longest_for_its_message_ends(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(2, metrics)
    ended: list[tuple[int, str]] = []

    async def receive(number: int) -> None:
        try:
            with limit.acquire() as slot:
                async with slot.receiving(deadline()):
                    await asyncio.sleep(SOON_S)
        except GatewayError as error:
            ended.append((number, error.reason))

    tasks = []
    for number in range(4):
        tasks.append(asyncio.create_task(receive(number)))
        await asyncio.sleep(0.01)
        assert active(metrics) <= 2
    assert ended == [(0, "TOO_MANY_CALLS"), (1, "TOO_MANY_CALLS")]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert active(metrics) == 0


async def test_a_call_whose_message_has_arrived_keeps_its_slot(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(1, metrics)
    with limit.acquire() as slot:
        async with slot.receiving(deadline()):
            pass
        with pytest.raises(GatewayError):
            limit.acquire()
        assert active(metrics) == 1


async def test_an_error_while_receiving_is_passed_on(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(1, metrics)
    with limit.acquire() as slot, pytest.raises(ValueError, match="broken"):
        async with slot.receiving(deadline()):
            raise ValueError("broken")
    assert active(metrics) == 0


async def test_the_count_is_right_after_many_calls_of_any_end(metrics: Metrics) -> None:
    limit = ConcurrencyLimit(5, metrics)

    async def call(number: int) -> None:
        with suppress(GatewayError, TimeoutError, ConnectionError), limit.acquire() as slot:
            async with slot.receiving(deadline(0.002 * (number % 3))):
                await asyncio.sleep(0.001 * (number % 4))
            slot.hold_for(asyncio.ensure_future(asyncio.sleep(0.001 * (number % 2))))
            if number % 5 == 0:
                raise ConnectionError

    for _ in range(20):
        tasks = [asyncio.create_task(call(number)) for number in range(30)]
        await asyncio.sleep(0.001)
        for task in tasks[::7]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert 0 <= active(metrics) <= 5
    while limit.forwarding:
        await asyncio.wait(limit.forwarding)
    await asyncio.sleep(0)
    assert active(metrics) == 0
