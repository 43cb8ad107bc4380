"""The hub of all waits."""

from __future__ import annotations

import asyncio
import math

import pytest

from gateway.errors import Code, GatewayError
from gateway.operations.waiting.confirmations import Confirmations
from gateway.operations.waiting.hub import WaitingHub
from gateway.operations.waiting.poller import Pace
from tests.operations.waiting.conftest import ControlledReader, MakeGet
from tests.waiting import wait_for

QUICK = Pace(first_s=0.005, longest_s=0.01, tolerated_s=0.5, retry_s=0.01)


def make_hub(reader: ControlledReader, max_waiters: int = 100, lifetime_s: float = 60) -> WaitingHub:
    return WaitingHub(reader, max_waiters, QUICK, Confirmations(reader, lifetime_s))


def soon(seconds: float = 0.1) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_wait_from_its_first_state_to_its_last(reader: ControlledReader, make_get: MakeGet) -> None:
    hub = make_hub(reader)
    with hub.admit(make_get()) as waiter:
        first = await hub.read_first(waiter, soon(), math.inf)
        assert await hub.read_next(waiter, first.id, soon(0.03)) is None
        reader.done = True
        last = await hub.read_next(waiter, first.id, math.inf)
        assert last is not None
        assert last.is_done
    await wait_for(lambda: not hub.tasks)
    assert hub.waiters == 0


async def test_a_later_waiter_takes_the_known_state(reader: ControlledReader, make_get: MakeGet) -> None:
    hub = make_hub(reader)
    with hub.admit(make_get()) as one, hub.admit(make_get()) as other:
        first = await hub.read_first(one, soon(), math.inf)
        assert await hub.read_first(other, soon(), math.inf) is first
    assert reader.confirmed == ["a"]
    with hub.admit(make_get()) as alone:  # there is no known state any more
        await hub.read_first(alone, soon(), math.inf)
    assert reader.confirmed == ["a", "a"]


async def test_a_state_is_shown_only_to_who_may_read_now(reader: ControlledReader, make_get: MakeGet) -> None:
    hub = make_hub(reader, lifetime_s=0.02)
    with hub.admit(make_get("a")) as a, hub.admit(make_get("b")) as b:
        first = await hub.read_first(a, soon(), math.inf)
        await hub.read_first(b, soon(), math.inf)
        await asyncio.sleep(0.03)
        reader.refused["b"] = GatewayError(Code.PERMISSION_DENIED, "", "no more")
        reader.done = True
        assert await hub.read_next(a, first.id, soon(5)) is not None
        with pytest.raises(GatewayError, match="no more"):
            await hub.read_next(b, first.id, soon(5))


async def test_an_unavailable_upstream_at_the_end_is_no_error(
    reader: ControlledReader, make_get: MakeGet
) -> None:
    hub = make_hub(reader, lifetime_s=0.01)
    with hub.admit(make_get("a")) as waiter:
        first = await hub.read_first(waiter, soon(), math.inf)
        await asyncio.sleep(0.02)
        reader.number = 5
        waiter.topic.publish(await reader.poll(make_get("a")))
        reader.error = GatewayError(Code.UNAVAILABLE, "", "away")
        assert await hub.read_next(waiter, first.id, soon(0.05)) is None


async def test_the_first_read_is_tried_again_while_there_is_time(
    reader: ControlledReader, make_get: MakeGet
) -> None:
    hub = make_hub(reader)
    reader.error = GatewayError(Code.UNAVAILABLE, "", "away")
    with hub.admit(make_get()) as waiter:
        with pytest.raises(GatewayError, match="away"):
            await hub.read_first(waiter, soon(0.05), math.inf)
        assert len(reader.confirmed) > 1
        reader.error, reader.delay_s = None, 60
        with pytest.raises(GatewayError) as caught:
            await hub.read_first(waiter, soon(0.01), soon(0.01))
    assert caught.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize(("token", "reads"), [("a", 2), ("b", 1)])
async def test_only_who_has_started_an_operation_waits_until_it_is_found(
    reader: ControlledReader, make_get: MakeGet, token: str, reads: int
) -> None:
    hub = make_hub(reader)
    hub.note_started(make_get("a"), reader.operation())
    reader.error = GatewayError(Code.NOT_FOUND, "", "no such operation")
    with hub.admit(make_get(token)) as waiter, pytest.raises(GatewayError, match="no such"):
        await hub.read_first(waiter, soon(5), math.inf)
    assert len(reader.confirmed) >= reads
    assert (len(reader.confirmed) > 1) == (reads > 1)


async def test_the_number_of_waiters_is_limited(reader: ControlledReader, make_get: MakeGet) -> None:
    hub = make_hub(reader, max_waiters=1)
    with hub.admit(make_get()), pytest.raises(GatewayError) as caught, hub.admit(make_get()):
        pass
    assert (caught.value.code, caught.value.reason) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_WAITERS")
    with hub.admit(make_get()):
        assert hub.waiters == 1


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_stop_ends_all_waits(reader: ControlledReader, make_get: MakeGet, is_first: bool) -> None:  # noqa: FBT001 - a case
    hub = make_hub(reader)
    with hub.admit(make_get()) as waiter:
        seen = "" if is_first else (await hub.read_first(waiter, soon(), math.inf)).id
        reader.delay_s = 60
        reading = hub.read_first(waiter, soon(), math.inf)
        waiting = asyncio.ensure_future(reading if is_first else hub.read_next(waiter, seen, math.inf))
        if not is_first:
            reading.close()
        await asyncio.sleep(0.02)
        assert hub.tasks
        await hub.stop()
        with pytest.raises(GatewayError) as caught:
            await waiting
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, "STOPPING")
    await wait_for(lambda: not hub.tasks)
    with pytest.raises(GatewayError, match="stops"), hub.admit(make_get()):
        pass


async def test_with_credentials_of_the_gateways_own_callers_share_one_read(
    reader: ControlledReader, make_get: MakeGet
) -> None:
    hub = WaitingHub(reader, 10, QUICK, has_own_credentials=True)
    hub.note_started(make_get("a"), reader.operation())
    with hub.admit(make_get("a")) as one, hub.admit(make_get("b")) as other:
        assert one.credentials == other.credentials
        first = await hub.read_first(one, soon(), math.inf)
        assert await hub.read_first(other, soon(), math.inf) is first
    assert reader.confirmed == ["a"]
