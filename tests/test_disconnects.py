"""Callers that go away at any time, in any way: no slot is lost, and none is returned twice."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import Awaitable
from typing import Any

from gateway.emulator import InjectedFault
from gateway.telemetry import Metrics
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.listeners import http2
from tests.rounds import rounds
from tests.waiting import wait_for
from tests.wire.conftest import Wire, Wired, sets, wire, wire_schema

__all__ = ["sets", "wire", "wire_schema"]  # fixtures

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
CREATE_PATH = f"/{CREATE}".encode()
LIMIT = 4


def chance_of(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same in each run


def active(metrics: Metrics) -> float:
    for line in metrics.expose().decode().splitlines():
        if line.startswith("gateway_calls_active"):
            return float(line.rpartition(" ")[2])
    return 0.0


def request(path: str, body: bytes, http_method: str = "POST") -> bytes:
    head = f"{http_method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def leave_rest(address: Any, data: bytes, chance: random.Random, pause_s: float) -> None:
    """Send some of a request, wait, and close: with FIN, or with RST."""
    _, writer = await asyncio.open_connection(address.host, address.port)
    cut = chance.choice([len(data), len(data), len(data) - 1, data.index(b"\r\n\r\n") + 4, 10])
    writer.write(data[:cut])
    await asyncio.sleep(chance.random() * pause_s)
    if chance.random() < 0.5:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def leave_grpc(address: Any, path: bytes, data: bytes, chance: random.Random, pause_s: float) -> None:
    """Send some of a call, wait, and reset the stream, or close the connection; some do not read."""
    peer = await http2.Peer.open(address, {http2.INITIAL_WINDOW_SIZE: chance.choice([0, 65_535])})
    message = http2.message(1, data)
    peer.writer.write(http2.head(1, path) + message[: chance.choice([len(message), len(message), 0, 7])])
    await asyncio.sleep(chance.random() * pause_s)
    if chance.random() < 0.5:
        peer.writer.write(http2.frame(http2.RST_STREAM, 0, 1, struct.pack(">I", 8)))
        await asyncio.sleep(0.005)
    await peer.close()


async def run(calls: list[Awaitable[None]], metrics: Metrics, seed: int) -> None:
    """Run the calls, eight at a time; the count of active calls stays within its limits."""
    chance, turns = chance_of(seed), asyncio.Semaphore(8)
    chance.shuffle(calls)

    async def one(call: Awaitable[None]) -> None:
        async with turns:
            try:
                await call
            except (ConnectionError, asyncio.IncompleteReadError):
                return
            assert 0 <= active(metrics) <= LIMIT

    await asyncio.gather(*map(one, calls))
    await wait_for(lambda: active(metrics) == 0)


async def test_unary_calls(start: Start) -> None:
    running = await start(limits__concurrency=LIMIT, limits__deadline_s=2)
    chance = chance_of(1)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.02, times=None))
    body = json.dumps(GOOD_IMAGE).encode()
    message = b"\x0a\x0ab1gexample"
    rest, rpc = running.addresses.rest, running.addresses.grpc
    calls: list[Awaitable[None]] = []
    for _ in range(rounds(60, 2000)):
        calls.append(leave_rest(rest, request(IMAGES, body), chance, 0.05))
        calls.append(leave_rest(rest, request(IMAGES, b'{"x": 1}'), chance, 0.01))
        calls.append(leave_rest(rest, request(f"{IMAGES}?folderId=b1g", b"", "GET"), chance, 0.01))
        calls.append(leave_grpc(rpc, CREATE_PATH, message, chance, 0.05))
        calls.append(leave_grpc(rpc, http2.LIST, message, chance, 0.02))
    await run(calls, running.metrics, 1)
    async with running.client.get(running.url(IMAGES)) as response:
        assert response.status == 200


def metrics_of(wired: Wired) -> Metrics:
    return wired.gateway._telemetry.metrics  # noqa: SLF001


async def test_streams(wire: Wire) -> None:
    wired = await wire(delay_s=0.005, limits__concurrency=LIMIT, limits__deadline_s=2)
    chance = chance_of(2)
    message = wired.upstream.schema.message("test.wire.v1.WatchRequest")
    rest, rpc = wired.addresses.rest, wired.addresses.grpc
    calls: list[Awaitable[None]] = []
    for _ in range(rounds(40, 1000)):
        count, failure = chance.choice([0, 1, 3, 20]), chance.choice(["", "lost"])
        size = chance.choice([0, 20_000])
        body = json.dumps({"count": count, "failure": failure, "size": size}).encode()
        data = message(count=count, failure=failure, size=size).SerializeToString()
        target = f"/wire/events?count={count}&failure={failure}&size={size}"
        calls.append(leave_rest(rest, request("/wire/builds", body), chance, 0.05))
        calls.append(leave_rest(rest, request(target, b"", "GET"), chance, 0.05))
        calls.append(leave_grpc(rpc, b"/test.wire.v1.Wire/Build", data, chance, 0.05))
        calls.append(leave_grpc(rpc, b"/test.wire.v1.Wire/Watch", data, chance, 0.05))
    await run(calls, metrics_of(wired), 2)
    async with wired.client.get(wired.url("/wire/events?count=2")) as response:
        assert len((await response.text()).splitlines()) == 2
