"""What both listeners share: active calls, and the stage at the head of a request."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Caller, RequestHead
from gateway.errors import GatewayError
from gateway.limits import ConcurrencyLimit
from gateway.listeners import ActiveCalls, Head
from gateway.telemetry import Metrics


async def test_active_calls_are_cancelled_when_they_are_cut() -> None:
    calls = ActiveCalls()
    ended: list[str] = []

    async def call(name: str) -> None:
        task = calls.enter()
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            ended.append(name)
        finally:
            calls.leave(task)

    tasks = [asyncio.create_task(call(name)) for name in "ab"]
    await asyncio.sleep(0)
    calls.cut()
    await asyncio.gather(*tasks)
    assert (sorted(ended), calls.is_cut) == (["a", "b"], True)


async def test_a_call_that_has_left_is_not_cut() -> None:
    calls = ActiveCalls()
    calls.leave(calls.enter())
    calls.cut()
    await asyncio.sleep(0)


async def test_callers_are_anonymous() -> None:
    head = Head(ConcurrencyLimit(1, Metrics(Resource.create())))
    caller = await head.identify(RequestHead(address="192.0.2.1", headers=[]))
    assert (caller.kind, caller.id, caller.address) == ("none", "", "192.0.2.1")


async def test_calls_over_the_limit_are_refused() -> None:
    head = Head(ConcurrencyLimit(1, Metrics(Resource.create())))
    with await head.admit(Caller(), ""), pytest.raises(GatewayError, match="1 calls are under way"):
        await head.admit(Caller(), "")
