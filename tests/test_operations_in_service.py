"""Operations that a gateway follows to their ends: in the ledger, the trace and the metrics."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator import Emulator, InjectedFault
from gateway.errors import Code
from tests.chaos.gateways import GatewayProcess
from tests.conftest import GOOD_IMAGE, IMAGES, Start, start_gateway
from tests.settling import (
    GET_OPERATION,
    OPEN,
    Audited,
    events_of,
    list_calls,
    shorten_intervals,
    start_audited,
    verify,
    wait_until,
)
from tests.waiting import wait_for

CREDENTIAL = {"Authorization": "Bearer caller"}


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_intervals(monkeypatch)


@pytest.fixture
async def slow(start: Start, tmp_path: Path) -> Audited:
    """A gateway whose upstream needs some time for each operation."""
    return await start_audited(start, tmp_path, delay_s=0.5, is_traced=True)


def polls(audited: Audited) -> int:
    return sum(call.method == GET_OPERATION for call in audited.emulator.calls)


async def test_an_operation_is_followed_to_its_end(slow: Audited) -> None:
    status, operation = await slow.create()
    assert (status, operation.get("done", False)) == (200, False)
    (call,) = await slow.wait_for_creates("ok")
    assert (call["operation_id"], call["operation_done"], call["operation_code"]) == (
        operation["id"],
        False,
        None,
    )
    (call,) = await slow.wait_for_end()
    image = slow.image()
    assert (call["operation_code"], call["resource_id"], call["checksum"]) == ("OK", image.id, image.checksum)
    story = await slow.story(call)
    assert [one["kind"] for one in story] == ["decision", "outcome", "operation"]
    ended = polls(slow)
    assert 0 < ended < 20
    await asyncio.sleep(0.3)
    assert polls(slow) == ended


async def test_the_span_and_the_metric_cover_the_whole_operation(slow: Audited) -> None:
    traceparent = {"traceparent": f"00-{'a' * 31}1-{'b' * 16}-01"}
    assert (await slow.create(headers=traceparent))[0] == 200
    (call,) = await slow.wait_for_end()
    await wait_for(lambda: "operation" in slow.running.spans())
    span = slow.running.spans()["operation"]
    server = next(one for one in slow.running.spans().values() if one.kind.name == "SERVER")
    assert span.context.trace_id == server.context.trace_id == int(call["trace_id"], 16)
    assert span.parent is not None
    assert span.parent.span_id == server.context.span_id
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time >= 0.5e9
    assert server.start_time is not None
    assert abs(span.start_time - server.start_time) < 0.4e9
    assert dict(span.attributes or {})["operation.id"] == call["operation_id"]
    start = "gateway_operation_duration_seconds_count{"
    assert slow.metric(start) == "1.0"
    assert float(slow.metric("gateway_operation_duration_seconds_sum{")) >= 0.5


async def test_an_operation_that_fails_keeps_its_error(slow: Audited) -> None:
    status, operation = await slow.create()
    assert status == 200
    url = slow.running.url(f"/operations/{operation['id']}:cancel")
    async with slow.running.client.get(url) as response:
        assert response.status == 200
    (call,) = await slow.wait_for_end()
    assert (call["outcome"], call["operation_done"], call["operation_code"]) == ("ok", True, "CANCELLED")
    last = (await slow.story(call))[-1]["operation"]
    assert last["error"] == "the operation was cancelled"
    await wait_for(lambda: "operation" in slow.running.spans())
    assert not slow.running.spans()["operation"].status.is_ok


async def test_an_operation_of_a_caller_with_credentials_is_only_observed(slow: Audited) -> None:
    status, operation = await slow.create(headers=CREDENTIAL)
    assert status == 200
    await asyncio.sleep(0.8)
    assert polls(slow) == 0
    assert [call["operation_done"] for call in await slow.creates()] == [False]
    url = slow.running.url(f"/operations/{operation['id']}")
    for _ in range(3):  # each response shows the end, and it is recorded once
        async with slow.running.client.get(url, headers=CREDENTIAL) as response:
            assert (await response.json())["done"]
    (call,) = await slow.wait_for_end()
    assert (call["operation_code"], call["resource_id"]) == ("OK", slow.image().id)
    await asyncio.sleep(0.2)
    assert [one["kind"] for one in await slow.story(call)] == ["decision", "outcome", "operation"]
    assert slow.metric("gateway_operation_duration_seconds_count{") == "1.0"


@pytest.mark.parametrize("code", [Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT])
async def test_a_refused_poll_ends_the_following(slow: Audited, code: Code) -> None:
    slow.fail(code=code, method=GET_OPERATION, times=None)
    assert (await slow.create())[0] == 200
    (call,) = await wait_until(slow.creates, lambda calls: calls[0]["operation_code"] is not None)
    assert (call["operation_done"], call["operation_code"]) == (False, code.name)
    ended = polls(slow)
    await asyncio.sleep(0.3)
    assert polls(slow) == ended


async def test_polls_that_fail_for_a_while_change_nothing(slow: Audited) -> None:
    slow.fail(method=GET_OPERATION, times=6)
    slow.fail(code=None, method=GET_OPERATION, reply=b"\xff", times=2)
    assert (await slow.create())[0] == 200
    (call,) = await slow.wait_for_end()
    assert call["operation_code"] == "OK"


async def test_following_goes_on_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with Emulator(delay_s=1) as emulator:
        sections: dict[str, Any] = {"ledger__enabled": "true", "ledger__url": url}
        for name in ("baremetal", "operation"):
            sections[f"upstreams__{name}__address"] = emulator.address
        async with AsyncExitStack() as stack:
            assert (await Audited(await start_gateway(stack, **sections), url).create())[0] == 200
        (call,) = await list_calls(url)
        assert (call["outcome"], call["operation_done"]) == ("ok", False)
        async with AsyncExitStack() as stack:
            audited = Audited(await start_gateway(stack, **sections), url)
            (call,) = await audited.wait_for_end()
        assert (call["operation_code"], call["resource_id"]) == ("OK", emulator.images()[0].id)
    assert (await verify(url))["holds"]


async def test_after_a_kill_everything_is_settled_by_the_next_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with Emulator(delay_s=0.3) as emulator, AsyncExitStack() as stack:
        gateway = GatewayProcess(tmp_path, url, emulator.address)
        await gateway.start()
        stack.push_async_callback(gateway.kill)
        await gateway.wait_until_ready()
        client = (await start_gateway(stack)).client

        async def create(name: str, **headers: str) -> int:
            body = GOOD_IMAGE | {"name": name}
            async with client.post(gateway.rest + IMAGES, json=body, headers=headers) as response:
                return response.status

        assert await create("image-0") == 200
        service = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
        emulator.inject(InjectedFault(method=service, drop=True, after_effect=True, times=2))
        emulator.inject(InjectedFault(method=service, drop=True, nth=3, times=2))
        names = [f"image-{number}" for number in range(1, 5)]
        creating = [asyncio.create_task(create(name)) for name in names]
        await wait_for(lambda: len(emulator.calls) >= 5)
        await gateway.kill()
        await asyncio.gather(*creating, return_exceptions=True)
        calls = await list_calls(url)
        assert [call["outcome"] for call in calls] == ["ok", *["pending"] * 4]
        await gateway.start()
        await gateway.wait_until_ready()
        calls = await wait_until(
            lambda: list_calls(url),
            lambda calls: not any(call["outcome"] in OPEN or not call["operation_done"] for call in calls),
            within_s=30,
        )
        images = {image.name: image.id for image in emulator.images()}
        assert len(emulator.images()) == 5
        assert {call["name"]: call["resource_id"] for call in calls} == images
        await gateway.stop()
        kinds = [event["kind"] for event in await events_of(url, calls[1]["call_id"])]
        assert kinds[:2] == ["decision", "settlement"]
        assert kinds[2:] in ([], ["operation"])  # the operation may have ended before the settlement
    assert (await verify(url))["holds"]
