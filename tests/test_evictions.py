"""At the limit a new call ends the call that waited longest for its message, over both protocols."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.emulator import InjectedFault
from gateway.errors import GatewayError
from gateway.limits import ConcurrencyLimit
from gateway.telemetry import Metrics
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.listeners import http2
from tests.waiting import GENEROUS_S, wait_for

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
HEAD = f"POST {IMAGES} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n".encode()

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(running: Running, data: bytes) -> Streams:
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    writer.write(data)
    return reader, writer


async def read_response(streams: Streams) -> tuple[int, dict[str, Any]]:
    async with asyncio.timeout(GENEROUS_S):
        head = await streams[0].readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await streams[0].readexactly(int(length.partition(b":")[2]))
    return int(head.split(b" ")[1]), json.loads(body)


async def wait_for_active(running: Running, count: int) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while f"gateway_calls_active {count}.0" not in running.metrics.expose().decode():
            await asyncio.sleep(0.01)


async def create(running: Running, name: str) -> int:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | {"name": name}) as response:
        await response.read()
        return response.status


async def test_a_message_that_arrives_with_the_eviction_is_too_late() -> None:
    """The slot belongs to another call already: to go on would be one call more than the limit."""
    limit = ConcurrencyLimit(1, Metrics(Resource.create()), grace_s=0)
    loop = asyncio.get_running_loop()
    message = loop.create_future()

    async def receive() -> None:
        with await limit.acquire() as slot:
            async with slot.receiving(loop.time() + GENEROUS_S):
                await message

    waiting = asyncio.create_task(receive())
    await asyncio.sleep(0)
    message.set_result(None)
    with (
        await limit.acquire(),
        pytest.raises(GatewayError, match="too many calls wait for their request messages"),
    ):
        await waiting


async def test_bodies_that_do_not_arrive_keep_nobody_out(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    running = await start(
        limits__concurrency=2,
        limits__deadline_s=GENEROUS_S,
        decision_log__type="file",
        decision_log__path=path,
    )
    slow = []
    for sent in (b"{", b""):
        slow.append(await connect(running, HEAD + sent))
        await wait_for_active(running, len(slow))
    for number, streams in enumerate(slow):
        # Each new call waits for its own body, so that it is the next to be evicted.
        slow.append(await connect(running, HEAD))
        status, body = await read_response(streams)
        assert (status, body["code"]) == (429, 8)
        assert "too many calls wait for their request messages" in body["message"]
        await wait_for_active(running, 2)
        if number == 1:
            break
    assert await create(running, "served-1") == 200
    status, _ = await read_response(slow[2])
    assert status == 429
    for _, writer in slow:
        writer.close()
    await wait_for_active(running, 0)
    # No call waits for the record of a refusal: it is written after the response.
    await wait_for(lambda: path.read_text().count('"kind":"call"') >= 3)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    evicted = [one for one in records if one["kind"] == "call"]
    assert [(one["method"], one["outcome"], one["code"], one["reason"]) for one in evicted] == [
        (CREATE, "refused", "RESOURCE_EXHAUSTED", "OVERLOADED")
    ] * 3


async def test_calls_that_have_their_messages_are_never_evicted(start: Start) -> None:
    running = await start(limits__concurrency=2, limits__queue=0, limits__deadline_s=GENEROUS_S)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.4, times=None))
    forwarded = [asyncio.create_task(create(running, f"image-{number}")) for number in range(2)]
    async with asyncio.timeout(GENEROUS_S):
        while len(running.emulator.calls) < 2:
            await asyncio.sleep(0.01)
    for _ in range(20):
        status, _ = await read_response(streams := await connect(running, HEAD))
        streams[1].close()
        assert status == 429
    assert await asyncio.gather(*forwarded) == [200, 200]
    await wait_for_active(running, 0)


async def test_both_protocols_share_the_limit(start: Start) -> None:
    running = await start(limits__concurrency=1, limits__deadline_s=GENEROUS_S)
    streams = await connect(running, HEAD)
    await wait_for_active(running, 1)
    peer = await http2.Peer.open(running.addresses.grpc)
    peer.writer.write(http2.head(1))
    assert (await read_response(streams))[0] == 429
    await wait_for_active(running, 1)
    assert await create(running, "served-1") == 200  # evicts the call over gRPC
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["8"]
    await peer.close()
    streams[1].close()
    await wait_for_active(running, 0)
