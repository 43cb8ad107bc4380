"""Confirmations: who may read an operation is asked once, and only the upstream decides."""

from __future__ import annotations

import asyncio
import math

import pytest

from gateway.errors import Code, GatewayError
from gateway.operations.waiting.confirmations import Confirmations
from gateway.operations.waiting.topic import OperationTopic
from gateway.operations.waiting.waiter import Waiter
from tests.operations.waiting.conftest import ControlledReader, MakeGet


async def test_equal_credentials_share_one_read(reader: ControlledReader, make_get: MakeGet) -> None:
    reader.delay_s = 0.01
    confirmations, topic = Confirmations(reader), OperationTopic("one")
    waiters = [Waiter(make_get(token), topic) for token in "aaabb"]
    assert all(await asyncio.gather(*(confirmations.confirm(one, math.inf) for one in waiters)))
    assert reader.confirmed == ["a", "b"]
    assert all(confirmations.is_valid(one) and one.has_read for one in waiters)
    assert topic.state is not None
    assert not confirmations.is_valid(Waiter(make_get("c"), topic))
    assert not confirmations.is_valid(Waiter(make_get("a"), OperationTopic("other")))
    assert confirmations.tasks == set()


async def test_a_confirmation_is_valid_for_a_time_and_can_be_dropped(
    reader: ControlledReader, make_get: MakeGet
) -> None:
    confirmations, waiter = Confirmations(reader, lifetime_s=0.02), Waiter(make_get(), OperationTopic("one"))
    await confirmations.confirm(waiter, math.inf)
    await asyncio.sleep(0.03)
    assert not confirmations.is_valid(waiter)
    await confirmations.confirm(waiter, math.inf)
    confirmations.drop("one", waiter.credentials)
    assert not confirmations.is_valid(waiter)


async def test_the_number_of_confirmations_is_limited(reader: ControlledReader, make_get: MakeGet) -> None:
    confirmations = Confirmations(reader, capacity=2)
    waiters = [Waiter(make_get(token), OperationTopic("one")) for token in "abc"]
    for waiter in waiters:
        await confirmations.confirm(waiter, math.inf)
    assert [confirmations.is_valid(one) for one in waiters] == [False, True, True]


async def test_each_waiter_gets_an_error_of_its_own(reader: ControlledReader, make_get: MakeGet) -> None:
    reader.refused["a"] = GatewayError(Code.PERMISSION_DENIED, "", "no")
    confirmations, topic = Confirmations(reader), OperationTopic("one")
    waiters = [Waiter(make_get("a"), topic) for _ in range(2)]
    errors = await asyncio.gather(
        *(confirmations.confirm(one, math.inf) for one in waiters), return_exceptions=True
    )
    assert [one.code for one in errors if isinstance(one, GatewayError)] == [Code.PERMISSION_DENIED] * 2
    assert errors[0] is not errors[1]
    assert not any(one.has_read or confirmations.is_valid(one) for one in waiters)


async def test_a_read_that_nobody_waits_for_is_cancelled(reader: ControlledReader, make_get: MakeGet) -> None:
    reader.delay_s = 60
    confirmations, topic = Confirmations(reader), OperationTopic("one")
    soon = asyncio.get_running_loop().time() + 0.3
    first, second = Waiter(make_get(), topic), Waiter(make_get(), topic)
    leaving = asyncio.ensure_future(confirmations.confirm(first, math.inf))
    staying = asyncio.ensure_future(confirmations.confirm(second, soon))
    await asyncio.sleep(0)
    (task,) = confirmations.tasks
    leaving.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    assert await staying is False
    await asyncio.wait([task])
    assert task.cancelled()
    assert confirmations.tasks == set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
