"""What both listeners share: active calls, and the stage at the head of a request."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Caller, RequestHead
from gateway.callers import CallerIdentifier
from gateway.config import Config, Limits
from gateway.errors import GatewayError
from gateway.limits import Admission
from gateway.listeners import ActiveCalls, Head
from gateway.telemetry import Health, Metrics


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


def make_head(concurrency: int) -> Head:
    metrics = Metrics(Resource.create())
    callers = CallerIdentifier(Config().callers, None, Health(), metrics)
    limits = Limits(concurrency=concurrency, queue=0)
    return Head(callers, Admission(limits, metrics, Health()))


async def test_callers_are_identified() -> None:
    caller = await make_head(1).identify(RequestHead(address="192.0.2.1", headers=[]))
    assert (caller.kind, caller.id, caller.address) == ("none", "", "192.0.2.1")


async def test_calls_over_the_limit_are_refused() -> None:
    head = make_head(1)
    with await head.admit(Caller(), ""), pytest.raises(GatewayError, match="1 calls are active"):
        await head.admit(Caller(), "")
