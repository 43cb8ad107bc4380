"""A call that waits: it is woken, its time is over, or it is ended."""

from __future__ import annotations

import asyncio
import math

import pytest

from gateway.errors import Code, GatewayError
from gateway.operations.waiting.topic import OperationTopic
from gateway.operations.waiting.waiter import Waiter
from tests.operations.waiting.conftest import MakeGet


async def test_a_pause_ends_by_time_or_by_a_wake(make_get: MakeGet) -> None:
    waiter = Waiter(make_get(), OperationTopic("one"))
    loop = asyncio.get_running_loop()
    assert not await waiter.pause(loop.time() + 0.01)
    loop.call_later(0.01, waiter.wake)
    assert await waiter.pause(math.inf)
    waiter.wake()  # nobody pauses


async def test_an_ended_wait_raises_copies_of_its_error(make_get: MakeGet) -> None:
    waiter = Waiter(make_get(), OperationTopic("one"))
    error = GatewayError(Code.UNAVAILABLE, "STOPPING", "it stops")
    asyncio.get_running_loop().call_later(0.01, waiter.end, error)
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            await waiter.pause(math.inf)
        assert caught.value is not error
        assert (caught.value.reason, str(caught.value)) == ("STOPPING", "it stops")
    assert waiter.is_ended


async def test_whose_credentials_are_used_makes_a_difference(make_get: MakeGet) -> None:
    topic = OperationTopic("one")
    waiters = [Waiter(make_get(token), topic, has_own_credentials=True) for token in "ab"]
    assert waiters[0].credentials == waiters[1].credentials != Waiter(make_get("a"), topic).credentials
