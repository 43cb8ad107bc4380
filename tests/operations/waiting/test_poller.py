"""One task polls an operation for all."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Code, GatewayError
from gateway.operations.waiting.confirmations import Confirmations
from gateway.operations.waiting.poller import Pace, Poller
from gateway.operations.waiting.topic import OperationTopic
from gateway.operations.waiting.waiter import Waiter
from tests.operations.waiting.conftest import ControlledReader, MakeGet
from tests.waiting import wait_for

QUICK = Pace(first_s=0.005, longest_s=0.01)


async def join(topic: OperationTopic, reader: ControlledReader, make_get: MakeGet, token: str) -> Waiter:
    waiter = Waiter(make_get(token), topic)
    waiter.has_read = True
    topic.waiters[waiter] = None
    if topic.state is None:
        topic.publish(await reader.confirm(waiter.get))
    return waiter


def poller(reader: ControlledReader, pace: Pace = QUICK) -> Poller:
    return Poller(reader, Confirmations(reader), pace)


async def test_until_the_operation_is_done(reader: ControlledReader, make_get: MakeGet) -> None:
    topic = OperationTopic("one")
    await join(topic, reader, make_get, "a")
    running = asyncio.create_task(poller(reader).run(topic))
    await wait_for(lambda: len(reader.polled) == 3)
    reader.done = True
    await asyncio.wait_for(running, 5)
    assert topic.state is not None
    assert topic.state.is_done


async def test_until_nobody_waits_who_may_read(reader: ControlledReader, make_get: MakeGet) -> None:
    topic = OperationTopic("one")
    waiter = await join(topic, reader, make_get, "a")
    waiter.has_read = False
    await asyncio.wait_for(poller(reader).run(topic), 5)
    assert reader.polled == []


async def test_refused_credentials_end_only_their_own_waits(
    reader: ControlledReader, make_get: MakeGet
) -> None:
    topic = OperationTopic("one")
    waiters = [await join(topic, reader, make_get, token) for token in "aab"]
    reader.refused["a"] = GatewayError(Code.UNAUTHENTICATED, "", "expired")
    running = asyncio.create_task(poller(reader).run(topic))
    await wait_for(lambda: "b" in reader.polled)
    assert [one.is_ended for one in waiters] == [True, True, False]
    assert reader.polled.count("a") == 1
    running.cancel()


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.DEADLINE_EXCEEDED])
async def test_what_may_pass_is_waited_for(reader: ControlledReader, make_get: MakeGet, code: Code) -> None:
    topic = OperationTopic("one")
    waiter = await join(topic, reader, make_get, "a")
    reader.error = GatewayError(code, "", "for a time")
    running = asyncio.create_task(poller(reader).run(topic))
    await wait_for(lambda: len(reader.polled) > 3)
    assert not waiter.is_ended
    reader.error, reader.done = None, True
    await asyncio.wait_for(running, 5)


@pytest.mark.parametrize("tolerated_s", [0, 600])
async def test_an_operation_may_be_missing_at_first_only(
    reader: ControlledReader, make_get: MakeGet, tolerated_s: int
) -> None:
    topic = OperationTopic("one")
    waiter = await join(topic, reader, make_get, "a")
    reader.error = GatewayError(Code.NOT_FOUND, "", "no such operation")
    pace = Pace(first_s=0.005, longest_s=0.01, tolerated_s=tolerated_s)
    running = asyncio.create_task(poller(reader, pace).run(topic))
    await wait_for(lambda: waiter.is_ended or len(reader.polled) > 2)
    assert waiter.is_ended == (tolerated_s == 0)
    running.cancel()


async def test_the_upstream_s_interval_is_honoured(reader: ControlledReader, make_get: MakeGet) -> None:
    topic = OperationTopic("one")
    reader.requested_s = 60
    await join(topic, reader, make_get, "a")
    running = asyncio.create_task(poller(reader).run(topic))
    await asyncio.sleep(0.05)
    assert reader.polled == []
    running.cancel()


async def test_a_failure_of_the_gateway_ends_the_waits(
    reader: ControlledReader, make_get: MakeGet, caplog: pytest.LogCaptureFixture
) -> None:
    topic = OperationTopic("one")
    waiter = await join(topic, reader, make_get, "a")
    reader.error = ValueError("a failure")
    await poller(reader).run(topic)
    assert waiter.is_ended
    assert "polling failed" in caplog.text
