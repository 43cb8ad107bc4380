"""A gateway that stops while its callers are slow: every call has a response, every change ends."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from tests.listeners import http2
from tests.waiting import GENEROUS_S
from tests.wire.conftest import Wire, Wired

BUILD = b"/test.wire.v1.Wire/Build"


def request(length: int, body: bytes) -> bytes:
    head = f"POST /wire/builds HTTP/1.1\r\nHost: gateway\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


def message(wired: Wired, **fields: Any) -> bytes:
    data: bytes = wired.upstream.schema.message("test.wire.v1.WatchRequest")(**fields).SerializeToString()
    return data


def active(wired: Wired) -> float:
    for line in wired.gateway._telemetry.metrics.expose().decode().splitlines():  # noqa: SLF001
        if line.startswith("gateway_calls_active"):
            return float(line.rpartition(" ")[2])
    return 0.0


async def wait_for_active(wired: Wired, count: int) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while active(wired) != count:
            await asyncio.sleep(0.01)


async def test_calls_that_wait_for_messages_and_streams_are_told(wire: Wire) -> None:
    wired = await wire(shutdown__grace_s=0.2, limits__deadline_s=GENEROUS_S, delay_s=0.02)
    address = wired.addresses.rest
    body = json.dumps({"count": 40}).encode()
    rest = []
    for data in (request(100, b"{"), request(len(body), body)):
        rest.append(await asyncio.open_connection(address.host, address.port))
        rest[-1][1].write(data)
    peer = await http2.Peer.open(wired.addresses.grpc)
    peer.writer.write(http2.head(1, BUILD))
    peer.writer.write(http2.head(3, BUILD) + http2.message(3, message(wired, count=40)))
    await wait_for_active(wired, 4)
    async with asyncio.timeout(GENEROUS_S):
        while len(wired.upstream.calls) < 2:
            await asyncio.sleep(0.01)
    await wired.gateway.stop()
    waiting, streaming = [await reader.read() for reader, _ in rest]
    assert waiting.startswith(b"HTTP/1.1 503 ")
    assert b'"reason":"STOPPING"' in waiting
    assert streaming.startswith(b"HTTP/1.1 200 ")
    assert b'"reason":"STOPPING"' in streaming
    assert streaming.endswith(b"\r\n0\r\n\r\n")
    await peer.wait(lambda: len(peer.statuses()) == 2)
    assert peer.statuses() == ["14", "14"]
    assert list(wired.upstream.ended) == ["Watch", "Watch"]
    assert active(wired) == 0
    await peer.close()
    for _, writer in rest:
        writer.close()
        await writer.wait_closed()


async def test_callers_that_do_not_read_do_not_hold_up_the_stop(wire: Wire) -> None:
    wired = await wire(shutdown__grace_s=0.2, limits__deadline_s=GENEROUS_S)
    body = json.dumps({"count": 3000, "size": 10_000}).encode()
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect((wired.addresses.rest.host, wired.addresses.rest.port))
        one.send(request(len(body), body))
        peer = await http2.Peer.open(wired.addresses.grpc, {http2.INITIAL_WINDOW_SIZE: 0})
        data = message(wired, count=1000, size=10_000)
        peer.writer.write(http2.head(1, BUILD) + http2.message(1, data))
        await wait_for_active(wired, 2)
        await asyncio.sleep(0.3)
        async with asyncio.timeout(10):
            await wired.gateway.stop()
        await peer.close()
    assert list(wired.upstream.ended) == ["Watch", "Watch"]
    assert active(wired) == 0
