"""The mode observe: limits, outages and crashes refuse nothing, and nothing is sent again."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.emulator import Emulator, InjectedFault
from gateway.errors import Code
from gateway.ledger import sqlite_store
from gateway.limits.admission import OBSERVED_FACTOR
from gateway.schema import Schema
from gateway.sinks.file import FileSink
from tests.chaos.gateways import GatewayProcess
from tests.commands import run_command
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.observing import (
    CREATE,
    HEADER,
    LIST,
    Send,
    both,
    bundle,
    by_rest,
    created,
    given,
    ledger,
    with_tokens,
    without_log,
)
from tests.served_bundle import metric
from tests.served_ledger import events, rows
from tests.settling import shorten_intervals
from tests.test_ledger_outages import Blocker
from tests.waiting import wait_for

__all__ = ["bundle", "given", "ledger", "with_tokens"]  # fixtures


LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "a rate": ({"limits__rate": "1/hour"}, "RATE_LIMITED"),
    "the rate of a caller": ({"limits__per_caller__rate": "1/hour"}, "RATE_LIMITED"),
    "a store that is away": (
        {
            "limits__rate": "9/hour",
            "limits__store": "redis://127.0.0.1:1",
            "limits__on_error": "refuse",
        },
        "LIMITS_UNAVAILABLE",
    ),
}


@both
@pytest.mark.parametrize(("limits", "reason"), LIMITS.values(), ids=LIMITS)
async def test_rates(
    start: Start, given: dict[str, Any], schema: Schema, send: Send, limits: dict[str, Any], reason: str
) -> None:
    running = await start(**given, **limits)
    await send(running, schema, GOOD_IMAGE, {})
    response = await send(running, schema, GOOD_IMAGE | {"name": "two"}, {})
    assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
    assert metric(running, f'gateway_observed_total{{effect="refuse",reason="{reason}"}}')
    counts = [
        one for one in running.metrics.expose().splitlines() if one.startswith(b"gateway_limits_refused")
    ]
    assert all(one.endswith(b" 0.0") for one in counts)


CONCURRENCY: dict[str, tuple[dict[str, Any], str]] = {
    "of a caller": ({"limits__per_caller__concurrency": 1}, "CONCURRENCY_LIMITED"),
    "of a method": ({"limits__per_method": f"{{{LIST}: {{concurrency: 1}}}}"}, "CONCURRENCY_LIMITED"),
    "of all calls": ({"limits__concurrency": 1, "limits__queue": 0}, "OVERLOADED"),
}


@pytest.mark.parametrize(("limits", "reason"), CONCURRENCY.values(), ids=CONCURRENCY)
async def test_concurrency_is_bounded_only_to_protect_the_process(
    start: Start, given: dict[str, Any], limits: dict[str, Any], reason: str
) -> None:
    running = await start(**given, **limits)
    running.emulator.inject(InjectedFault(method=LIST, delay_s=0.5, times=None))

    async def read() -> tuple[int, str]:
        async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
            return response.status, response.headers.get(HEADER, "")

    found = await asyncio.gather(*(read() for _ in range(OBSERVED_FACTOR + 1)))
    admitted = [one for one in found if one[0] == 200]
    assert sorted(one[1] for one in admitted).count("") == 1
    assert metric(running, f'gateway_observed_total{{effect="refuse",reason="{reason}"}}')
    is_global = reason == "OVERLOADED"
    assert [one[0] for one in found].count(429) == (1 if is_global else 0)
    assert metric(running, "gateway_calls_active") == "0.0"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ledger.writer.RETRY_S", 0.05)
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.05)


@both
@pytest.mark.usefixtures("soon")
async def test_a_ledger_that_cannot_be_written(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema, send: Send
) -> None:
    running = await start(**without_log(given))
    with closing(Blocker(ledger)) as other:
        await other.lock()
        for name in ("lost-1", "lost-2"):
            response = await send(running, schema, GOOD_IMAGE | {"name": name}, {})
            assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
        accept = {"Accept": "application/json"}
        async with running.client.get(running.admin("/readyz?verbose"), headers=accept) as page:
            conditions = (await page.json())["conditions"]
        (found,) = [one for one in conditions if one["name"] == "ledger"]
        assert found["status"] == "degraded"
        assert found["reason"].startswith("changes are forwarded without records: ")
        other.free()
    assert len(created(running)) == 2
    # What waited in memory is committed when the ledger can be written again.
    await wait_for(lambda: len(rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'")) == 2)
    assert [one["outcome"] for one in events(ledger, "outcome")] == ["ok", "ok"]
    assert metric(running, 'gateway_observed_total{effect="refuse",reason="LEDGER_UNAVAILABLE"}') == "2.0"


@pytest.mark.usefixtures("soon")
async def test_memory_is_bounded_while_the_ledger_cannot_be_written(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema
) -> None:
    running = await start(**without_log(given), ledger__capacity=3, ledger__when_full="refuse")
    with closing(Blocker(ledger)) as other:
        await other.lock()
        for number in range(8):
            response = await by_rest(running, schema, GOOD_IMAGE | {"name": f"n-{number}"}, {})
            assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
        async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as read:
            assert (read.status, read.headers[HEADER]) == (200, "would-refuse")
        assert len(running.gateway._ledger.writer._queue) <= 4  # type: ignore[union-attr]  # noqa: SLF001
        assert float(metric(running, "gateway_ledger_lost_total")) >= 8
        other.free()
    await wait_for(lambda: rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'"))
    code = (
        await asyncio.to_thread(run_command, "audit", "verify", "--ledger", f"sqlite:///{ledger}")
    ).returncode
    assert code == 0


@both
async def test_a_decision_log_that_cannot_be_written(
    start: Start, given: dict[str, Any], schema: Schema, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: FileSink, _records: bytes) -> None:
        raise OSError(28, "No space left on device")

    running = await start(**given)
    monkeypatch.setattr(FileSink, "write", fail)
    response = await send(running, schema, GOOD_IMAGE, {})
    assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
    assert metric(running, 'gateway_observed_total{effect="refuse",reason="DECISION_NOT_RECORDED"}') == "1.0"


async def test_an_idempotency_key_is_left_to_the_cloud(
    start: Start, given: dict[str, Any], schema: Schema
) -> None:
    running = await start(**given)
    key = {"Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001"}
    for name in ("first", "first", "other"):
        await by_rest(running, schema, GOOD_IMAGE | {"name": name}, key)
    assert len(created(running)) == 3


async def test_a_change_is_not_retried(start: Start, given: dict[str, Any], schema: Schema) -> None:
    running = await start(**given)
    running.emulator.inject(InjectedFault(method=CREATE, code=Code.UNAVAILABLE, times=1))
    assert (await by_rest(running, schema, GOOD_IMAGE, {})).code is Code.UNAVAILABLE
    assert len(created(running)) == 1
    running.emulator.inject(InjectedFault(method=LIST, code=Code.UNAVAILABLE, times=1))
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        assert response.status == 200


async def test_a_change_of_unknown_outcome_is_not_sent_again(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome is established with reads."""
    shorten_intervals(monkeypatch)
    running = await start(**given)
    fault = InjectedFault(method=CREATE, code=Code.UNAVAILABLE, after_effect=True, times=1)
    running.emulator.inject(fault)
    assert (await by_rest(running, schema, GOOD_IMAGE, {})).code is Code.UNAVAILABLE
    await wait_for(lambda: rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'"))
    assert events(ledger, "settlement")[0]["by"] == "evidence"
    assert len(created(running)) == 1


@pytest.mark.parametrize(("first", "then"), [("observe", "enforce"), ("enforce", "observe")])
async def test_a_crash_in_one_mode_and_a_start_in_the_other(tmp_path: Path, first: str, then: str) -> None:
    """Nothing is sent again that was only observed, and an observing gateway sends nothing again."""
    async with Emulator() as emulator:
        emulator.inject(InjectedFault(method=CREATE, code=None, drop=True, times=1))
        ledger = f"sqlite:///{tmp_path}/ledger.db"
        process = GatewayProcess(tmp_path, ledger, emulator.address, {"GATEWAY__MODE": first})
        try:
            await process.start()
            await process.wait_until_ready()
            posting = asyncio.create_task(post_once(process.rest))
            await wait_for(lambda: emulator.calls)
            await process.kill()
            await posting
            process._environment["GATEWAY__MODE"] = then  # noqa: SLF001 - the same replica in another mode
            await process.start()
            await process.wait_until_ready()
            # A settlement by evidence lists the images: the call was looked at.
            await wait_for(lambda: any(one.method == LIST for one in emulator.calls))
            assert sum(one.method == CREATE for one in emulator.calls) == 1
            assert "nothing is enforced" in process.log
        finally:
            await process.kill()


async def post_once(address: str) -> None:
    async with aiohttp.ClientSession() as session:
        with suppress(aiohttp.ClientError):
            async with session.post(f"{address}{IMAGES}", json=GOOD_IMAGE) as response:
                await response.read()
