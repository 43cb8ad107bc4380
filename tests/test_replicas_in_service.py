"""Gateways that share one PostgreSQL: one is killed, the network is cut, a pooler is between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator import Emulator, InjectedFault
from gateway.ledger import postgres_store
from tests.chaos.gateways import GatewayProcess
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start, start_gateway
from tests.ledger.conftest import postgres
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer
from tests.settling import (
    CREATE,
    GET_OPERATION,
    OPEN,
    Audited,
    events_of,
    list_calls,
    shorten_intervals,
    verify,
    wait_until,
)
from tests.substitutes.network import CutNetwork
from tests.waiting import wait_for

__all__ = ["postgres"]  # a fixture

KEY = {"Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001"}


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    return await postgres.create_database()


def sections_of(url: str, emulator: Emulator, **further: Any) -> dict[str, Any]:
    upstreams = {f"upstreams__{name}__address": emulator.address for name in ("baremetal", "operation")}
    return {"ledger__enabled": "true", "ledger__url": url, "ledger__lease_s": 1, **upstreams, **further}


async def test_a_killed_replica_is_replaced_by_the_other(tmp_path: Path, url: str) -> None:
    async with Emulator(delay_s=1) as emulator, AsyncExitStack() as stack:
        lease = {"GATEWAY__LEDGER__LEASE_S": "1"}
        replicas = [GatewayProcess(tmp_path, url, emulator.address, lease) for _ in range(2)]
        for replica in replicas:
            await replica.start()
            stack.push_async_callback(replica.kill)
        await asyncio.gather(*(replica.wait_until_ready() for replica in replicas))
        client = (await start_gateway(stack)).client

        async def create(name: str) -> int:
            body = GOOD_IMAGE | {"name": name}
            async with client.post(replicas[0].rest + IMAGES, json=body) as response:
                return response.status

        assert await create("image-1") == 200
        emulator.inject(InjectedFault(method=CREATE, drop=True, after_effect=True))
        creating = asyncio.create_task(create("image-2"))
        await wait_for(lambda: len(emulator.images()) == 2)
        await replicas[0].kill()
        await asyncio.gather(creating, return_exceptions=True)
        killed_at = asyncio.get_running_loop().time()
        calls = await wait_until(
            lambda: list_calls(url),
            lambda calls: all(call["outcome"] == "ok" and call["operation_done"] for call in calls),
            within_s=15,
        )
        assert asyncio.get_running_loop().time() - killed_at < 10
        assert [call["resource_id"] for call in calls] == [image.id for image in emulator.images()]
        assert len(emulator.images()) == 2
        story = await events_of(url, calls[1]["call_id"])
        assert (story[1]["kind"], story[1]["by"]) == ("settlement", "resend")
        await replicas[1].stop()
    result = await verify(url)
    assert (result["holds"], result["not_covered"]) == (True, 0)


@pytest.fixture
async def pair(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Running, Running]]:
    """Two gateways in this process, with one ledger and one upstream."""
    shorten_intervals(monkeypatch)
    async with Emulator(delay_s=0.5) as emulator, AsyncExitStack() as stack:
        sections = sections_of(url, emulator)
        first = await start_gateway(stack, **sections)
        second = await start_gateway(stack, **sections)
        yield Running(**_fields(first) | {"emulator": emulator}), second


def _fields(running: Running) -> dict[str, Any]:
    return {name: getattr(running, name) for name in Running.__slots__}


async def test_each_operation_is_followed_by_one_replica(pair: tuple[Running, Running], url: str) -> None:
    replicas = [Audited(running, url) for running in pair]
    answers = await asyncio.gather(
        *(replicas[number % 2].create(name=f"image-{number}") for number in range(20))
    )
    assert {status for status, _ in answers} == {200}
    calls = await replicas[0].wait_for_end()
    assert {call["operation_code"] for call in calls} == {"OK"}
    for call in calls:
        kinds = [event["kind"] for event in await replicas[0].story(call)]
        assert kinds == ["decision", "outcome", "operation"]
    ended = [replica.metric("gateway_operation_duration_seconds_count{") for replica in replicas]
    assert sum(float(count or 0) for count in ended) == 20
    polls = Counter(call.request for call in pair[0].emulator.calls if call.method == GET_OPERATION)
    assert len(polls) == 20
    assert max(polls.values()) < 15
    assert (await verify(url))["holds"]


async def test_a_change_that_another_replica_settles_has_one_image(
    pair: tuple[Running, Running], url: str
) -> None:
    first, second = (Audited(running, url) for running in pair)
    pair[0].emulator.inject(InjectedFault(method=CREATE, reply=b"\xff", after_effect=True))
    assert (await first.create(headers=KEY))[0] == 500
    status, operation = await second.create(headers=KEY)  # also while the worker settles the call
    assert status == 200
    calls = await first.wait_for_creates("ok", "ok")
    assert {call["operation_id"] for call in calls} == {operation["id"]}
    assert len(pair[0].emulator.images()) == 1


# A pooler


@pytest.fixture
def pooler(postgres: PostgresServer) -> Iterator[PgBouncer]:
    started = PgBouncer(postgres.port)
    try:
        yield started
    finally:
        started.stop()


async def test_a_pooler_in_transaction_mode(
    pooler: PgBouncer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_intervals(monkeypatch)
    pooled = pooler.url(url)
    async with Emulator(delay_s=0.1) as emulator, AsyncExitStack() as stack:
        sections = sections_of(pooled, emulator, ledger__prepared_statements="false")
        replicas = [Audited(await start_gateway(stack, **sections), pooled) for _ in range(2)]
        emulator.inject(InjectedFault(method=CREATE, reply=b"\xff", after_effect=True, times=3))
        answers = await asyncio.gather(
            *(replicas[number % 2].create(name=f"image-{number}") for number in range(30))
        )
        assert Counter(status for status, _ in answers) == {200: 27, 500: 3}, pooler.log
        calls = await replicas[0].wait_for_end()
        assert {(call["outcome"], call["operation_code"]) for call in calls} == {("ok", "OK")}
        assert len(emulator.images()) == len(calls) == 30
    assert (await verify(pooled))["not_covered"] == 0


async def test_without_the_option_a_pooler_is_named_in_the_reason(
    pooler: PgBouncer, url: str, logs: pytest.LogCaptureFixture
) -> None:
    async with Emulator() as emulator, AsyncExitStack() as stack:
        running = await start_gateway(stack, **sections_of(pooler.url(url), emulator))
        audited = Audited(running, url)
        await asyncio.gather(*(audited.create(name=f"image-{number}") for number in range(20)))
    reasons = [str(getattr(entry, "reason", "")) for entry in logs.records]
    failed = [reason for reason in reasons if "prepared statement" in reason]
    assert all("set ledger.prepared_statements to false" in reason for reason in failed)


# The network


async def test_a_network_that_is_cut_and_restored(
    start: Start, postgres: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_intervals(monkeypatch)
    monkeypatch.setattr(postgres_store, "STATEMENT_S", 0.5)
    monkeypatch.setattr(postgres_store, "CONNECT_S", 0.5)
    async with CutNetwork() as network:
        network.upstream = f"127.0.0.1:{postgres.port}"
        through = url.replace(f":{postgres.port}/", f":{network.address.rpartition(':')[2]}/")
        audited = Audited(
            await start(ledger__enabled="true", ledger__url=through, ledger__lease_s=1, limits__deadline_s=2),
            url,
        )
        assert (await audited.create(name="image-0"))[0] == 200
        network.hang()
        status, body = await audited.create(name="image-1", headers=KEY)
        assert (status, body["details"][0]["reason"]) == (503, "LEDGER_UNAVAILABLE")
        status, body = await audited.create(name="image-2")
        assert (status, body["details"][0]["reason"]) == (503, "LEDGER_UNAVAILABLE")
        assert len(audited.keys()) == 1
        assert len(await audited.images()) == 1  # reads are still possible
        await network.restore()

        async def is_created() -> bool:
            return (await audited.create(name="image-1", headers=KEY))[0] == 200

        async with asyncio.timeout(30):
            while not await is_created():
                await asyncio.sleep(0.05)
        calls = await wait_until(
            audited.creates, lambda calls: not any(call["outcome"] in OPEN for call in calls)
        )
        made = {call["name"]: call["resource_id"] for call in calls if call["outcome"] == "ok"}
        assert made == {image.name: image.id for image in audited.emulator.images()}
        assert set(made) == {"image-0", "image-1"}
        assert {call["outcome"] for call in calls} == {"ok", "refused"}
    assert (await verify(url))["holds"]
