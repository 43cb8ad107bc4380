"""The path of a call, over the wire: what keeps its place, and for how long."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import grpc.aio
import pytest

from gateway.emulator import InjectedFault
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.waiting import GENEROUS_S, wait_for
from tests.wire.conftest import Wire, Wired, sets, wire, wire_schema

__all__ = ["sets", "wire", "wire_schema"]  # fixtures

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


async def hang_up(address: Any, path: str, body: Any) -> None:
    """Send a change and go away at once."""
    data = json.dumps(body).encode()
    _, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
    )
    await writer.drain()
    writer.close()


async def status_of_create(running: Running) -> int:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        await response.read()
        return response.status


async def test_a_change_whose_caller_has_gone_keeps_its_slot(start: Start) -> None:
    running = await start(limits__concurrency=2, limits__deadline_s=GENEROUS_S)
    running.emulator.inject(InjectedFault(method=CREATE, drop=True, times=None))
    calls = running.emulator.calls

    def arrived(number: int) -> bool:
        return len(calls) == number

    for number in (1, 2):
        await hang_up(running.addresses.rest, IMAGES, GOOD_IMAGE)
        await wait_for(partial(arrived, number))
    await asyncio.sleep(0.2)  # the gateway has seen by now that they are gone
    for _ in range(10):
        assert await status_of_create(running) == 429
    assert len(calls) == 2
    assert "gateway_calls_active 2.0" in running.metrics.expose().decode()
    await running.emulator.stop()  # ends them


async def test_a_change_gives_its_slot_back_when_it_ends(start: Start) -> None:
    running = await start(limits__concurrency=1)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.5))
    await hang_up(running.addresses.rest, IMAGES, GOOD_IMAGE)
    await wait_for(lambda: running.emulator.calls)
    assert await status_of_create(running) == 429
    await wait_for(lambda: "gateway_calls_active 0.0" in running.metrics.expose().decode())
    assert await status_of_create(running) == 409  # the image is there


async def test_over_grpc_as_well(start: Start, schema: Schema) -> None:
    running = await start(limits__concurrency=1, limits__deadline_s=GENEROUS_S)
    running.emulator.inject(InjectedFault(method=CREATE, drop=True, times=None))
    fields = {name: value for name, value in GOOD_IMAGE.items() if name != "folderId"}
    request = schema.methods[CREATE].request(folder_id="b1gexample", **fields).SerializeToString()
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        create: Any = channel.unary_unary(f"/{CREATE}")
        call = create(request)
        await wait_for(lambda: running.emulator.calls)
        call.cancel()
        await asyncio.sleep(0.2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await create(request, timeout=GENEROUS_S)
    await running.emulator.stop()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_stream_of_a_change_goes_on_when_its_caller_goes_away(wire: Wire) -> None:
    wired = await wire(delay_s=0.1, limits__concurrency=1)
    await hang_up(wired.addresses.rest, "/wire/builds", {"count": 8})
    await wait_for(lambda: wired.upstream.calls)
    await asyncio.sleep(0.2)
    assert await status_of_build(wired) == 429
    await wait_for(lambda: wired.upstream.ended)
    assert not wired.upstream.is_cancelled.is_set()
    async with asyncio.timeout(GENEROUS_S):  # until the gateway has read the end, too
        while await status_of_build(wired) != 200:
            await asyncio.sleep(0.05)


async def test_a_stream_of_a_change_reaches_its_caller(wire: Wire) -> None:
    wired = await wire()
    async with wired.client.post(wired.url("/wire/builds"), json={"count": 3}) as response:
        lines = (await response.text()).splitlines()
    assert [json.loads(line).get("number", "0") for line in lines] == ["0", "1", "2"]
    async with wired.client.post(wired.url("/wire/builds"), json={"failure": "lost"}) as response:
        assert (response.status, (await response.json())["message"]) == (500, "lost")


async def status_of_build(wired: Wired) -> int:
    async with wired.client.post(wired.url("/wire/builds"), json={"count": 1}) as response:
        await response.read()
        return response.status
