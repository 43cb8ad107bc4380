"""What one caller, or many, may take of an HTTP listener: connections, slow heads, responses not read."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from pathlib import Path

import pytest

from gateway.emulator import InjectedFault
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.test_app import certificates
from tests.waiting import GENEROUS_S
from tests.wire.conftest import Wire, sets, wire, wire_schema

__all__ = ["certificates", "sets", "wire", "wire_schema"]  # fixtures

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
GET = b"GET " + IMAGES.encode() + b" HTTP/1.1\r\nHost: gateway\r\n\r\n"
BODY = json.dumps(GOOD_IMAGE).encode()
POST = (
    b"POST "
    + IMAGES.encode()
    + b" HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    + BODY
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(running: Running, data: bytes = b"") -> Streams:
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    writer.write(data)
    return reader, writer


async def read_all(streams: Streams) -> bytes:
    """Read until the server closes."""
    async with asyncio.timeout(GENEROUS_S):
        try:
            return await streams[0].read()
        except ConnectionResetError:
            return b""
        finally:
            streams[1].close()


async def read_response(streams: Streams) -> bytes:
    """Read one response whole, and return its status line."""
    async with asyncio.timeout(GENEROUS_S):
        head = await streams[0].readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await streams[0].readexactly(int(length.partition(b":")[2]))
    return head.partition(b"\r\n")[0]


async def test_a_newcomer_takes_the_place_of_the_longest_idle(start: Start) -> None:
    running = await start(rest__max_connections=2)
    idle = []
    for _ in range(2):
        idle.append(await connect(running, GET))
        assert b" 200 " in await read_response(idle[-1])
    newcomer = await connect(running, GET)
    assert b" 200 " in await read_response(newcomer)
    assert await read_all(idle[0]) == b""
    idle[1][1].write(GET)
    assert b" 200 " in await read_response(idle[1])
    for _, writer in [*idle, newcomer]:
        writer.close()


async def test_who_comes_while_all_are_busy_is_refused(start: Start, logs: pytest.LogCaptureFixture) -> None:
    running = await start(rest__max_connections=2)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=1, times=None))
    busy = [await connect(running, POST) for _ in range(2)]
    async with asyncio.timeout(GENEROUS_S):
        while len(running.emulator.calls) < 2:
            await asyncio.sleep(0.01)
    refused = await connect(running)
    received = await read_all(refused)
    assert received.startswith(b"HTTP/1.1 503 ")
    assert b"TOO_MANY_CONNECTIONS" in received
    for one in busy:
        assert (await read_response(one)).split(b" ")[1] in {b"200", b"409"}
    assert "too many connections" in logs.text
    for _, writer in [*busy, refused]:
        writer.close()


async def test_each_address_has_its_own_bound(start: Start) -> None:
    running = await start(rest__max_connections_per_address=1)
    first = await connect(running, GET)
    assert b" 200 " in await read_response(first)
    second = await connect(running, GET)
    assert b" 200 " in await read_response(second)
    assert await read_all(first) == b""
    second[1].close()


async def test_closed_connections_give_their_places_back(start: Start) -> None:
    running = await start(rest__max_connections=1)
    for _ in range(20):
        streams = await connect(running, GET)
        assert b" 200 " in await read_response(streams)
        streams[1].close()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"\r\n"], ids=["nothing", "part of a line", "empty line"])
async def test_a_connection_without_a_head_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("gateway.listeners.http.server.HEAD_S", 0.3)
    running = await start()
    assert await read_all(await connect(running, sent)) == b""


async def test_a_head_that_comes_slowly_is_not_waited_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a connection that has served a request, and however often a byte comes."""
    monkeypatch.setattr("gateway.listeners.http.server.HEAD_S", 0.5)
    running = await start()
    reader, writer = await connect(running, GET)
    assert b" 200 " in await read_response((reader, writer))
    await asyncio.sleep(1)  # silence between requests is the keep-alive's matter
    writer.write(GET)
    assert b" 200 " in await read_response((reader, writer))
    async with asyncio.timeout(GENEROUS_S):
        while not reader.at_eof():
            writer.write(b"G")
            try:
                await asyncio.wait_for(reader.read(1), 0.05)
            except TimeoutError:
                continue
            except ConnectionError:
                break
    writer.close()


async def test_a_handshake_that_does_not_come_is_not_waited_for(
    start: Start, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.http.server.HEAD_S", 0.3)
    cert, key, ca = (certificates / name for name in ("cert.pem", "key.pem", "ca.pem"))
    running = await start(rest__tls=f"{{certificate: {cert}, key: {key}}}")
    assert await read_all(await connect(running)) == b""
    context = ssl.create_default_context(cafile=str(ca))
    async with running.client.get(f"https://{running.addresses.rest}{IMAGES}", ssl=context) as response:
        assert response.status == 200


async def test_handshakes_count_as_connections(start: Start, certificates: Path) -> None:
    cert, key = (certificates / name for name in ("cert.pem", "key.pem"))
    running = await start(rest__tls=f"{{certificate: {cert}, key: {key}}}", rest__max_connections=2)
    silent = [await connect(running) for _ in range(3)]
    assert await read_all(silent[0]) == b""
    for _, writer in silent:
        writer.close()


async def test_who_does_not_read_is_closed(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.listeners.http.server.WRITE_S", 0.3)
    wired = await wire()
    with socket.socket() as one:  # that hardly takes anything, and never reads
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect((wired.addresses.rest.host, wired.addresses.rest.port))
        one.send(b"GET /wire/events?count=1000000&size=10000 HTTP/1.1\r\nHost: gateway\r\n\r\n")
        await asyncio.wait_for(wired.upstream.is_cancelled.wait(), 60)
