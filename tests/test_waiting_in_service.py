"""Waiting for operations through a gateway: Wait over REST, Wait and Watch over gRPC."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest

from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.served_ledger import options, wait_for_rows
from tests.waiting import GENEROUS_S, wait_for
from tests.waits import (
    EVENTS,
    GET,
    WAIT,
    WATCH,
    begin,
    call,
    get,
    gets,
    hub_of,
    nothing_is_left,
    quick_polls,
    read_events,
    served,
    used,
)

__all__ = ["quick_polls", "served"]  # fixtures
pytestmark = pytest.mark.usefixtures("quick_polls")

POLICY = """\
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {name: secret}
spec:
  methods: [yandex.cloud.operation.OperationService/Get]
  rules: [{name: no, assert: "false", message: "'operations are secret'"}]
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {name: secret}
spec: {policy: secret, action: deny}
"""
UNKNOWN = "/operations/never-started"


def recorded(folder: Path) -> list[tuple[str, str]]:
    """Return the methods and outcomes in the ledger of a folder."""
    with closing(sqlite3.connect(folder / "l.db")) as database:
        return list(database.execute("SELECT method, outcome FROM ledger_calls"))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_a_wait_ends_when_the_operation_is_done(start: Start) -> None:
    running = await start(delay_s=0.3)
    path = await begin(running)
    status, operation = await get(running, f"{path}:wait?timeout=30s")
    assert (status, operation["done"]) == (200, True)
    assert operation["response"]["name"] == "ubuntu-24-04"
    assert await get(running, path) == (200, operation)
    await nothing_is_left(running)


@pytest.mark.parametrize("timeout", ["0s", "0.2s"])
async def test_after_its_time_a_wait_returns_the_running_operation(start: Start, timeout: str) -> None:
    running = await start(delay_s=60)
    path = await begin(running)
    started = time.monotonic()
    status, operation = await get(running, f"{path}:wait?timeout={timeout}")
    assert time.monotonic() - started >= float(timeout[:-1]) - 0.01
    assert (status, operation["id"], "done" in operation) == (200, path.rpartition("/")[2], False)
    await nothing_is_left(running)


@pytest.mark.parametrize("timeout", ["-1s", "-0.1s", "5.1s", "400000000s", "soon", "5"])
async def test_a_bad_timeout_is_a_violation_of_its_field(start: Start, timeout: str) -> None:
    running = await start(limits__wait_s=5)
    status, error = await get(running, f"/operations/any:wait?timeout={timeout}")
    assert (status, error["code"]) == (400, 3)
    bad = next(one for one in error["details"] if one["@type"].endswith("BadRequest"))
    assert [one["field"] for one in bad["fieldViolations"]] == ["timeout"]
    assert gets(running) == 0


async def test_without_a_timeout_the_configured_maximum_bounds_the_default(start: Start) -> None:
    running = await start(delay_s=60, limits__wait_s=0.1)
    assert "done" not in (await get(running, f"{await begin(running)}:wait"))[1]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.PERMISSION_DENIED])
@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_who_may_not_read_may_not_wait(start: Start, code: Code, accept: str) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=GET, code=code, times=None))
    path = UNKNOWN if accept in EVENTS.values() else f"{UNKNOWN}:wait"
    status, error = await get(running, path, Accept=accept)
    assert (status, error["code"]) == ({Code.NOT_FOUND: 404}.get(code, 403), code)
    await nothing_is_left(running)


async def test_an_operation_that_was_just_started_may_be_found_late(start: Start) -> None:
    running = await start()
    path = await begin(running)
    running.emulator.inject(InjectedFault(method=GET, code=Code.NOT_FOUND, times=3))
    assert (await get(running, f"{path}:wait"))[1]["done"]
    assert gets(running) == 4


async def test_waits_go_on_while_the_upstream_is_unavailable(start: Start) -> None:
    running = await start(delay_s=0.2, limits__attempts=1)
    path = await begin(running)
    running.emulator.inject(InjectedFault(method=GET, code=Code.UNAVAILABLE, times=3))
    assert (await get(running, f"{path}:wait"))[1]["done"]
    running.emulator.inject(InjectedFault(method=GET, code=Code.UNAVAILABLE, times=None))
    assert (await get(running, f"{path}:wait?timeout=0.1s"))[0] == 503


async def test_a_wait_lasts_longer_than_a_call_and_holds_no_slot(start: Start) -> None:
    running = await start(delay_s=0.6, limits__deadline_s=0.3, limits__concurrency=1)
    path = await begin(running)
    waits = [asyncio.ensure_future(get(running, f"{path}:wait")) for _ in range(3)]
    await wait_for(lambda: hub_of(running).waiters == 3)
    assert (await get(running, path))[0] == 200
    assert [(await one)[1]["done"] for one in waits] == [True] * 3


async def test_the_caller_s_own_deadline_holds(start: Start, served: Schema) -> None:
    running = await start(delay_s=60)
    path = await begin(running)
    status, error = await get(running, f"{path}:wait", Grpc_Timeout="100m")
    assert (status, error["code"]) == (504, Code.DEADLINE_EXCEEDED)
    channel, wait = call(running, served, WAIT, operation_id=path.rpartition("/")[2])
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wait(timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await nothing_is_left(running)


async def test_more_waiters_than_the_limit_are_refused(start: Start) -> None:
    running = await start(delay_s=60, limits__waiters=1)
    path = await begin(running)
    first = asyncio.ensure_future(get(running, f"{path}:wait?timeout=1s"))
    await wait_for(lambda: hub_of(running).waiters)
    for accept in ("text/event-stream", "application/json"):
        suffix = "" if accept in EVENTS.values() else ":wait"
        status, error = await get(running, path + suffix, Accept=accept)
        assert (status, error["details"][0]["reason"]) == (429, "TOO_MANY_WAITERS")
    assert (await first)[0] == 200


async def test_over_grpc(start: Start, served: Schema) -> None:
    running = await start(delay_s=0.3)
    operation_id = (await begin(running)).rpartition("/")[2]
    channel, watch = call(running, served, WATCH, operation_id=operation_id)
    async with channel:
        assert [one.done async for one in watch()] == [False, True]
    channel, wait = call(running, served, WAIT, operation_id=operation_id)
    async with channel:
        assert (await wait()).done
    for method in (WAIT, WATCH):
        channel, unknown = call(running, served, method, operation_id="unknown")
        async with channel:
            answer = unknown()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await (answer.read() if method == WATCH else answer)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    channel, empty = call(running, served, WAIT)
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await empty()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_credentials_confirm_each_caller(start: Start) -> None:
    running = await start(delay_s=0.5)
    path = await begin(running)
    waits = [
        asyncio.ensure_future(get(running, f"{path}:wait", Authorization=f"Bearer {name}"))
        for name in ("a", "a", "b", "b")
    ]
    assert [(await one)[1]["done"] for one in waits] == [True] * 4
    calls = [dict(one.metadata) for one in running.emulator.calls if one.method == GET]
    assert {one["authorization"] for one in calls[:2]} == {"Bearer a", "Bearer b"}
    assert len({one["authorization"] for one in calls[2:]}) == 1


async def test_a_poll_goes_on_with_the_credentials_of_those_who_still_wait(start: Start) -> None:
    running = await start(delay_s=60)
    path = await begin(running)
    waits = []
    for name in ("a", "b"):
        waits.append(asyncio.ensure_future(get(running, f"{path}:wait", Authorization=f"Bearer {name}")))
        await wait_for(lambda: hub_of(running).waiters == len(waits))
        while name not in used(running):
            await asyncio.sleep(0.01)
    waits[0].cancel()
    await wait_for(lambda: hub_of(running).waiters == 1)
    running.emulator.calls.clear()
    await wait_for(lambda: gets(running) > 2)
    assert used(running) == {"b"}
    waits[1].cancel()
    await nothing_is_left(running)


async def test_a_policy_about_get_holds_for_waits_too(start: Start, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    database = f"sqlite:///{tmp_path}/l.db"
    running = await start(policies__path=tmp_path / "policy.yaml", ledger__enabled=True, ledger__url=database)
    path = await begin(running)
    for suffix, accept in (("", "*/*"), ("", "text/event-stream"), (":wait", "*/*")):
        status, error = await get(running, path + suffix, Accept=accept)
        assert (status, error["details"][0]["reason"]) == (403, "POLICY_VIOLATION")
    assert gets(running) == 0
    await wait_for(lambda: recorded(tmp_path).count((GET, "denied")) == 3)
    assert set(recorded(tmp_path)) >= {(WAIT, "error"), (WATCH, "error")}


async def test_waits_are_recorded_and_traced_as_reads(start: Start, tmp_path: Path) -> None:
    running = await start(is_traced=True, ledger__enabled=True, ledger__url=f"sqlite:///{tmp_path}/l.db")
    path = await begin(running)
    assert (await get(running, f"{path}:wait"))[0] == 200
    assert len(await read_events(running, path)) == 1
    spans = running.spans()
    assert spans["GET /operations/{operation_id}:wait"].attributes["rpc.method"] == WAIT  # type: ignore[index]
    assert spans["GET /operations/{operation_id}"].attributes["rpc.method"] == WATCH  # type: ignore[index]

    await wait_for(lambda: {(WAIT, "ok"), (WATCH, "ok")} <= set(recorded(tmp_path)))


async def test_the_stop_of_the_gateway_ends_waits_at_once(start: Start, served: Schema) -> None:
    running = await start(delay_s=60)
    path = await begin(running)
    wait = asyncio.ensure_future(get(running, f"{path}:wait?timeout=60s"))
    events = asyncio.ensure_future(read_events(running, path))
    channel, watch = call(running, served, WATCH, operation_id=path.rpartition("/")[2])
    async with channel:
        watching = watch()
        assert not (await watching.read()).done
        await wait_for(lambda: hub_of(running).waiters == 3)
        started = time.monotonic()
        await running.gateway.stop()
        assert time.monotonic() - started < 10
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watching.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    status, error = await wait
    assert (status, error["details"][0]["reason"]) == (503, "STOPPING")
    assert len(await events) == 1
    await nothing_is_left(running)


async def test_callers_that_leave_leave_nothing(start: Start, served: Schema) -> None:
    running = await start(delay_s=60)
    path = await begin(running)
    for headers in (EVENTS, {}):
        suffix = "" if headers else ":wait"
        waiting = [
            asyncio.ensure_future(running.client.get(running.url(path + suffix), headers=headers))
            for _ in range(5)
        ]
        await wait_for(lambda: hub_of(running).waiters == 5)
        for one in waiting:
            one.cancel()
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(answer, aiohttp.ClientResponse):
                answer.close()
        await nothing_is_left(running)
    channel, watch = call(running, served, WATCH, operation_id=path.rpartition("/")[2])
    async with channel:
        watching = watch()
        await watching.read()
        watching.cancel()
        await nothing_is_left(running)
    polls = gets(running)
    await asyncio.sleep(0.1)
    assert gets(running) == polls


async def test_a_thousand_waiters_share_a_handful_of_reads(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the true times
    many = 1000
    running = await start(
        delay_s=3, rest__max_connections=2 * many, rest__max_connections_per_address=2 * many
    )
    path = await begin(running)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def wait() -> bool:
            async with client.get(running.url(f"{path}:wait"), headers={"Authorization": "Bearer a"}) as one:
                return bool((await one.json())["done"])

        before = resident_bytes()
        async with asyncio.timeout(GENEROUS_S):
            assert all(await asyncio.gather(*(wait() for _ in range(many))))
    assert gets(running) < 10
    assert resident_bytes() - before < many * 100_000  # their client is in this process too
    await nothing_is_left(running)


async def test_the_end_of_an_operation_on_an_event_stream_is_recorded(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "l.db"
    running = await start(delay_s=0.5, **options(file))
    own = {"Authorization": "Bearer a"}
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE, headers=own) as response:
        path = f"/operations/{(await response.json())['id']}"
    accept = {"Accept": "text/event-stream"}
    async with running.client.get(running.url(path), headers=own | accept) as response:
        await response.read()  # the stream ends with the operation
    done = await wait_for_rows(file, 1, "operation_done")
    assert done[0][1:] == ("ok", "OK")
