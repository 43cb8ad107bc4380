"""Callers that send what they should not, over raw sockets: no slot is lost, and others are served."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct

import pytest

from gateway.emulator import InjectedFault
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.listeners import http2
from tests.waiting import GENEROUS_S, wait_for

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
HOST = b" HTTP/1.1\r\nHost: gateway\r\n"
POST, GET = b"POST " + IMAGES.encode() + HOST, b"GET " + IMAGES.encode() + HOST
BODY = json.dumps(GOOD_IMAGE).encode()
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
HALF = POST + b"Content-Length: 100\r\n\r\n{"
LIST_REQUEST = b"\x0a\x0ab1gexample"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(running: Running, data: bytes, local: str = "127.0.0.1") -> Streams:
    rest = running.addresses.rest
    reader, writer = await asyncio.open_connection(rest.host, rest.port, local_addr=(local, 0))
    writer.write(data)
    return reader, writer


async def statuses(streams: Streams) -> list[int]:
    """Return the status of each response, once the server has closed the connection."""
    async with asyncio.timeout(GENEROUS_S):
        received = await streams[0].read()
    streams[1].close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def active(running: Running) -> float:
    for line in running.metrics.expose().decode().splitlines():
        if line.startswith("gateway_calls_active"):
            return float(line.rpartition(" ")[2])
    return 0.0


async def status_of_a_read(running: Running) -> int:
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        await response.read()
        return response.status


async def test_half_a_request_behind_a_whole_one(start: Start) -> None:
    running = await start(limits__deadline_s=0.5)
    assert await statuses(await connect(running, WHOLE + HALF)) == [200, 408]
    assert active(running) == 0


async def test_pipelined_requests_are_served_one_after_the_other(start: Start) -> None:
    running = await start(limits__concurrency=1)
    requests = (GET + b"\r\n") * 50 + GET + b"Connection: close\r\n\r\n"
    assert await statuses(await connect(running, requests)) == [200] * 51


async def test_a_connection_that_is_reset_ends_the_requests_behind_the_first(start: Start) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.2, times=None))
    _, writer = await connect(running, WHOLE * 5)
    await wait_for(lambda: running.emulator.calls)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    await wait_for(lambda: active(running) == 0)
    await asyncio.sleep(0.3)
    assert len(running.emulator.calls) == 1
    assert active(running) == 0


async def test_a_body_of_a_read_does_not_have_to_be_waited_for(start: Start) -> None:
    running = await start(limits__concurrency=1, limits__deadline_s=GENEROUS_S)
    streams = await connect(running, GET + b"Content-Length: 10\r\n\r\n")
    await wait_for(lambda: active(running) == 1)
    assert await status_of_a_read(running) == 200
    assert await statuses(streams) == [429]


async def test_a_body_in_small_pieces_ends_at_the_deadline(start: Start) -> None:
    running = await start(limits__deadline_s=0.5)
    streams = await connect(running, POST + b"Transfer-Encoding: chunked\r\n\r\n")

    async def drip() -> None:
        while True:
            streams[1].write(b"1\r\n \r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(GENEROUS_S):
        line = await streams[0].readline()
    dripping.cancel()  # what arrives after the server has closed the connection would reset it
    assert line.startswith(b"HTTP/1.1 408 ")
    assert await statuses(streams) == []
    assert active(running) == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST + b"Content-Length: 99999999\r\n\r\n", 413),
        (POST + b"Content-Encoding: br\r\nContent-Length: 50\r\n\r\n", 415),
        (POST + b"Expect: x\r\nContent-Length: 50\r\n\r\n", 417),
        (b"POST /nowhere" + HOST + b"Content-Length: 50\r\n\r\n", 404),
    ],
    ids=["too large", "wrong encoding", "wrong expectation", "no method"],
)
async def test_a_refused_call_returns_its_slot_before_its_body_arrives(
    start: Start, request_: bytes, status: int
) -> None:
    running = await start(limits__concurrency=1, limits__deadline_s=GENEROUS_S)
    streams = await connect(running, request_)
    head = await asyncio.wait_for(streams[0].readuntil(b"\r\n\r\n"), GENEROUS_S)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert active(running) == 0
    streams[1].close()


async def test_calls_without_messages_from_many_connections_keep_nobody_out(start: Start) -> None:
    running = await start(limits__concurrency=3, limits__deadline_s=GENEROUS_S)
    peers = [await http2.Peer.open(running.addresses.grpc) for _ in range(4)]
    for peer in peers:
        peer.writer.write(b"".join(http2.head(stream) for stream in range(1, 100, 2)))
    await wait_for(lambda: sum(len(peer.statuses()) for peer in peers) == 4 * 50 - 3)
    assert await status_of_a_read(running) == 200
    other = await http2.Peer.open(running.addresses.grpc)
    other.writer.write(http2.head(1) + http2.message(1, LIST_REQUEST))
    await wait_for(other.statuses)
    assert other.statuses() == ["0"]
    for peer in (*peers, other):
        await peer.close()
    await wait_for(lambda: active(running) == 0)


async def test_streams_that_are_reset_at_once(start: Start) -> None:
    running = await start(limits__concurrency=5)
    peer = await http2.Peer.open(running.addresses.grpc)
    reset = struct.pack(">I", 8)
    for stream in range(1, 1001, 2):
        call = http2.head(stream) + http2.message(stream, LIST_REQUEST)
        peer.writer.write(call + http2.frame(http2.RST_STREAM, 0, stream, reset))
        if stream % 50 == 1:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await wait_for(lambda: active(running) == 0)
    assert await status_of_a_read(running) == 200
    await peer.close()


async def test_heads_that_hang_up_at_the_limit(start: Start) -> None:
    running = await start(limits__concurrency=3, limits__deadline_s=GENEROUS_S)

    async def hang_up(number: int) -> None:
        _, writer = await connect(running, HALF)
        await asyncio.sleep(0.002 * (number % 5))
        writer.close()

    for _ in range(5):
        await asyncio.gather(*map(hang_up, range(40)))
        assert 0 <= active(running) <= 3
        assert await status_of_a_read(running) == 200
    await wait_for(lambda: active(running) == 0)


async def test_whole_requests_are_served_whatever_waits(start: Start) -> None:
    """Nobody who sends head and body together is refused for other callers that send heads only."""
    running = await start(limits__concurrency=2, limits__deadline_s=GENEROUS_S)
    whole = GET + b"\r\n"
    found: list[bytes] = []

    async def attack(number: int) -> None:
        while len(found) < 100:
            data = HALF if number % 2 else GET + b"Content-Length: 10\r\n\r\n"
            _, writer = await connect(running, data, "127.0.0.2")
            await asyncio.sleep(0.003)
            writer.close()

    async def call() -> None:
        reader, writer = await connect(running, b"")
        for _ in range(100):
            writer.write(whole)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), GENEROUS_S)
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
            found.append(head.split(b" ")[1])
        writer.close()

    await asyncio.gather(call(), *map(attack, range(10)))
    assert set(found) == {b"200"}
    await wait_for(lambda: active(running) == 0)
