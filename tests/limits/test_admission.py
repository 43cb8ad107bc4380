"""Admission: all limits in one place, their order, and what a refused call leaves behind."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Caller
from gateway.config import Limits
from gateway.config.limits import CallLimits
from gateway.config.rates import Rate
from gateway.errors import GatewayError
from gateway.limits import Admission, Slot
from gateway.telemetry import Health, Metrics, Status
from tests.redis_server import RedisServer
from tests.virtual_time import run_virtual

GET, CREATE = "a.B/Get", "a.B/Create"
ALICE, BOB = Caller(kind="token", id="alice"), Caller(kind="token", id="bob")
NOBODY = Caller(address="2001:db8::1")
NEIGHBOUR = Caller(address="2001:db8::2")


class Admitted:
    """An admission with a clock of the test."""

    def __init__(self, limits: Limits) -> None:
        self.metrics, self.health, self.now = Metrics(Resource.create()), Health(), 1000.0
        self.admission = Admission(limits, self.metrics, self.health, lambda: self.now)

    async def call(self, caller: Caller = ALICE, method: str = GET) -> Slot:
        return await self.admission.admit(caller, method)

    async def reason(self, caller: Caller = ALICE, method: str = GET) -> str:
        """Make a call that ends at once. Return the reason of its error, and the limit."""
        try:
            with await self.call(caller, method):
                return ""
        except GatewayError as error:
            return f"{error.reason} {error.metadata.get('limit')}"

    def counted(self) -> set[str]:
        """Return the limits that have refused calls, with the number of calls."""
        start = "gateway_limits_refused_total{limit="
        lines = self.metrics.expose().decode().splitlines()
        return {
            line.removeprefix(start) for line in lines if line.startswith(start) and not line.endswith(" 0.0")
        }


async def test_without_limits_every_call_is_admitted() -> None:
    admitted = Admitted(Limits())
    assert {await admitted.reason(caller) for caller in (ALICE, NOBODY) for _ in range(300)} == {""}
    assert [one.name for one in admitted.health.conditions] == ["load"]
    await admitted.admission.start()
    await admitted.admission.close()


async def test_each_caller_has_a_rate_of_its_own() -> None:
    admitted = Admitted(Limits(per_caller=CallLimits(rate=Rate(2, 1))))
    refused = "RATE_LIMITED limits.per_caller.rate"
    assert [await admitted.reason(ALICE) for _ in range(4)] == ["", "", refused, refused]
    assert [await admitted.reason(NOBODY), await admitted.reason(NEIGHBOUR)] == ["", ""]
    assert await admitted.reason(NOBODY) == refused  # both have one /64 network
    assert await admitted.reason(Caller(kind="jwt", id="alice")) == ""
    with pytest.raises(GatewayError) as caught:
        await admitted.call(ALICE)
    assert caught.value.retry_after_s is not None
    admitted.now += caught.value.retry_after_s
    assert await admitted.reason(ALICE) == ""
    assert admitted.counted() == {'"per_caller.rate"} 4.0'}


async def test_a_method_has_a_rate_for_all_callers() -> None:
    admitted = Admitted(Limits(per_method={CREATE: CallLimits(rate=Rate(1, 60))}))
    assert await admitted.reason(ALICE, CREATE) == ""
    assert await admitted.reason(BOB, CREATE) == f"RATE_LIMITED limits.per_method.{CREATE}.rate"
    assert [await admitted.reason(BOB, method) for method in (GET, "", "no.Such/Method")] == [""] * 3
    assert admitted.counted() == {'"per_method.rate"} 1.0'}


async def test_all_calls_have_a_rate_also_of_methods_that_are_not_served() -> None:
    admitted = Admitted(Limits(rate=Rate(3, 1)))
    methods = (GET, CREATE, "", "")
    assert [await admitted.reason(ALICE, method) for method in methods] == [
        *[""] * 3,
        "RATE_LIMITED limits.rate",
    ]


async def test_a_caller_may_have_so_many_calls_at_the_same_time() -> None:
    admitted = Admitted(Limits(per_caller=CallLimits(concurrency=2)))
    refused = "CONCURRENCY_LIMITED limits.per_caller.concurrency"
    slots = [await admitted.call() for _ in range(2)]
    assert await admitted.reason(ALICE) == refused
    assert await admitted.reason(BOB) == ""
    slots[0].release()
    assert await admitted.reason(ALICE) == ""
    end = asyncio.Event()
    task = asyncio.ensure_future(end.wait())
    with await admitted.call() as slot:
        slot.hold_for(task)  # the change goes on after the caller has gone, and counts until then
    assert admitted.admission.forwarding == {task}
    assert await admitted.reason(ALICE) == refused
    end.set()
    await task
    await asyncio.sleep(0)
    assert await admitted.reason(ALICE) == ""


async def test_a_method_may_have_so_many_calls_at_the_same_time() -> None:
    limits = Limits(
        per_caller=CallLimits(concurrency=3),
        per_method={CREATE: CallLimits(concurrency=1), GET: CallLimits(rate=Rate(1000, 1))},
    )
    admitted = Admitted(limits)
    with await admitted.call(ALICE, CREATE):
        refused = f"CONCURRENCY_LIMITED limits.per_method.{CREATE}.concurrency"
        # The refused calls do not count as calls of the caller.
        assert [await admitted.reason(ALICE, CREATE) for _ in range(5)] == [refused] * 5
        assert await admitted.reason(ALICE, GET) == ""
    assert await admitted.reason(BOB, CREATE) == ""
    assert admitted.counted() == {'"per_method.concurrency"} 5.0'}


async def test_a_refused_call_leaves_no_count() -> None:
    limits = Limits(
        concurrency=1, queue=0, rate=Rate(100, 1), per_caller=CallLimits(rate=Rate(3, 1), concurrency=1)
    )
    # The concurrency of the caller is not less than that of all calls: only such a test sets it so.
    admitted = Admitted(limits)
    with await admitted.call(ALICE):
        assert [await admitted.reason(BOB) for _ in range(5)] == [
            *["OVERLOADED limits.concurrency"] * 3,
            *["RATE_LIMITED limits.per_caller.rate"] * 2,
        ]
    assert [await admitted.reason(caller) for caller in (ALICE, BOB)] == [
        "",
        "RATE_LIMITED limits.per_caller.rate",
    ]


def test_calls_in_the_queue_count_for_their_caller_and_their_method() -> None:
    async def test() -> None:
        limits = Limits(concurrency=1, queue=9, queue_s=1, per_caller=CallLimits(concurrency=3))
        admitted = Admitted(limits)
        held = await admitted.call(BOB)
        waiting = [asyncio.create_task(admitted.reason(ALICE)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert await admitted.reason(ALICE) == "CONCURRENCY_LIMITED limits.per_caller.concurrency"
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        waiting[0] = asyncio.create_task(admitted.reason(ALICE))
        await asyncio.sleep(0.1)
        held.release()
        assert await asyncio.gather(*waiting) == [""] * 3
        assert await admitted.reason(ALICE) == ""

    run_virtual(test)


async def test_the_rates_may_be_in_a_store(redis_server: RedisServer) -> None:
    limits = Limits(store=redis_server.url, on_error="refuse", per_caller=CallLimits(rate=Rate(2, 86400)))
    admitted, other = Admitted(limits), Admitted(limits)
    caller = Caller(kind="token", id=f"caller-{redis_server.port}")
    for one in (admitted, other):
        await one.admission.start()
        assert [(one.name, one.status) for one in one.health.conditions] == [
            ("load", Status.OK),
            ("limits", Status.OK),
        ]
    assert [await one.reason(caller) for one in (admitted, other, admitted)] == [
        "",
        "",
        "RATE_LIMITED limits.per_caller.rate",
    ]
    assert admitted.counted() == {'"per_caller.rate"} 1.0'}
    for one in (admitted, other):
        await one.admission.close()
