"""Callers of the gRPC port that send what they should not, over raw sockets. Others are served."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Running, Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open, call_list, opened, streams
from tests.waiting import GENEROUS_S, wait_for

__all__ = ["opened"]  # a fixture

LIST_REQUEST = b"\x0a\x0ab1gexample"
CHECK = b"/grpc.health.v1.Health/Check"
PROTOCOL_ERROR = "reset"
MEBIBYTE = 1 << 20


def resident_bytes() -> int:
    """Return the resident memory, without memory that is free but not given back to the system yet."""
    with suppress(AttributeError, OSError):  # only glibc has this function
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - numbers, not paths


@asynccontextmanager
async def storm(running: Running, max_growth: int = 32 * MEBIBYTE) -> AsyncIterator[None]:
    """A context manager for a storm. After it, calls are served, and memory and files are as before."""
    await call_list(running)
    gc.collect()
    memory, files = resident_bytes(), open_files()
    yield
    async with asyncio.timeout(GENEROUS_S):
        await call_list(running)
    await wait_for(lambda: "gateway_calls_active 0.0" in running.metrics.expose().decode())
    await wait_for(lambda: open_files() <= files + 2)
    gc.collect()
    assert resident_bytes() - memory < max_growth


async def outcome(peer: http2.Peer, stream: int = 1) -> str:
    """Return the status of a call, or that the stream was reset."""
    await peer.wait(lambda: peer.ends(stream))
    return peer.statuses()[-1] if peer.statuses() else PROTOCOL_ERROR


PATHS = {
    "without a slash": b"abc/Def",
    "empty": b"",
    "only a slash": b"/",
    "one segment": b"/abc",
    "many slashes": b"//a//b//",
    "long": b"/" + b"a" * 8000 + b"/b",
    "not ASCII": "/é.X/Ÿ".encode(),
    "control characters": b"/a\n\x1b[31m.X/Y",
    "a null": b"/a\x00.X/Y",
    "a query": http2.LIST + b"?a=b",
    "another case": http2.LIST.lower(),
    "percent-encoded": http2.LIST.replace(b"List", b"%4cist"),
    "a trailing slash": http2.LIST + b"/",
    "a URL": b"http://gateway" + http2.LIST,
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_an_odd_path_is_an_unknown_method(
    running: Running, opened: Open, path: bytes, logs: pytest.LogCaptureFixture
) -> None:
    peer = await opened(running)
    peer.writer.write(http2.head(1, path) + http2.message(1, LIST_REQUEST))
    assert await outcome(peer) == "12"
    shown = [vars(one)["path"] for one in logs.records if one.message == "unknown method"]
    assert all(len(one) < 200 and one.isprintable() for one in shown)
    assert not running.emulator.calls


async def test_a_path_above_the_limit_of_metadata(running: Running, opened: Open) -> None:
    peer = await opened(running)
    peer.writer.write(http2.head(1, b"/" + b"a" * 40_000) + http2.message(1, LIST_REQUEST))
    assert await outcome(peer) == "8"
    await call_list(running)


async def test_an_unknown_service_is_logged_with_its_address(
    start: Start, opened: Open, logs: pytest.LogCaptureFixture
) -> None:
    running = await start()
    peer = await opened(running)
    peer.writer.write(http2.head(1, b"/made.Up/Name") + http2.message(1, b""))
    assert await outcome(peer) == "12"
    (line,) = [vars(one) for one in logs.records if one.message == "unknown method"]
    assert (line["path"], line["address"], line["levelname"]) == ('"/made.Up/Name"', "127.0.0.1", "WARNING")
    text = running.metrics.expose().decode()
    assert 'rpc_method="_OTHER",rpc_response_status_code="UNIMPLEMENTED"' in text


REQUESTS: dict[str, tuple[tuple[tuple[bytes, bytes], ...], bytes, str]] = {
    "no path": (http2.STANDARD, http2.POST, PROTOCOL_ERROR),
    "GET": (((b":path", http2.LIST), *http2.STANDARD), http2.GET, PROTOCOL_ERROR),
    "no te": (
        ((b":path", http2.LIST), *(one for one in http2.STANDARD if one[0] != b"te")),
        http2.POST,
        PROTOCOL_ERROR,
    ),
    "no content-type": (
        ((b":path", http2.LIST), *(one for one in http2.STANDARD if one[0] != b"content-type")),
        http2.POST,
        "0",
    ),
    "bad base64": (((b":path", http2.LIST), *http2.STANDARD, (b"x-blob-bin", b"!!!")), http2.POST, "13"),
    "unknown compression": (
        ((b":path", http2.LIST), *http2.STANDARD, (b"grpc-encoding", b"zstd")),
        http2.POST,
        "13",
    ),
    "malformed timeout": (
        ((b":path", http2.LIST), *http2.STANDARD, (b"grpc-timeout", b"soon")),
        http2.POST,
        "13",
    ),
    "timeout of nothing": (
        ((b":path", http2.LIST), *http2.STANDARD, (b"grpc-timeout", b"0n")),
        http2.POST,
        "4",
    ),
    "duplicate metadata": (
        ((b":path", http2.LIST), *http2.STANDARD, *[(b"authorization", b"a")] * 2),
        http2.POST,
        "3",
    ),
    "upper case": (((b":path", http2.LIST), *http2.STANDARD, (b"X-Evil", b"a")), http2.POST, "13"),
    "not ASCII": (
        ((b":path", http2.LIST), *http2.STANDARD, (b"authorization", b"Bearer secret\xff")),
        http2.POST,
        "3",
    ),
}


@pytest.mark.parametrize(("fields", "http_method", "expected"), REQUESTS.values(), ids=REQUESTS)
async def test_an_odd_head_ends_only_its_own_call(
    running: Running,
    opened: Open,
    fields: tuple[tuple[bytes, bytes], ...],
    http_method: bytes,
    expected: str,
    logs: pytest.LogCaptureFixture,
) -> None:
    peer = await opened(running)
    peer.writer.write(http2.head_of(1, fields, http_method) + http2.message(1, LIST_REQUEST))
    assert await outcome(peer) == expected
    await call_list(running)
    assert "secret" not in logs.text
    assert "Traceback" not in logs.text


async def test_oversized_metadata_ends_only_its_own_call(running: Running, opened: Open) -> None:
    peer = await opened(running)
    for stream, further in (
        (1, [(b"x", b"y" * 60_000)]),
        (3, [(b"x-%d" % n, b"y" * 100) for n in range(300)]),
    ):
        peer.writer.write(http2.head(stream, further=further) + http2.message(stream, LIST_REQUEST))
        assert await outcome(peer, stream) == "8"
    await call_list(running)


@pytest.mark.parametrize("size", [70_000, 200_000], ids=["read by the gateway", "not read"])
async def test_an_oversized_message_ends_only_its_own_call(running: Running, opened: Open, size: int) -> None:
    peer = await opened(running)
    peer.writer.write(http2.head(1) + http2.frame(http2.DATA, 0, 1, b"\0" + struct.pack(">I", size)))
    for _ in range(size // 10_000):
        peer.writer.write(http2.frame(http2.DATA, 0, 1, b"x" * 10_000))
    assert await outcome(peer) == "8"
    await call_list(running)


def bomb(size: int) -> bytes:
    """Zeros, compressed with gzip to a thousandth of their size."""
    compressor, zeros = zlib.compressobj(9, zlib.DEFLATED, 31), bytes(MEBIBYTE)
    parts = [compressor.compress(zeros) for _ in range(size // MEBIBYTE)]
    return b"".join(parts) + compressor.flush()


async def test_a_compressed_bomb_is_not_decompressed(start: Start, opened: Open) -> None:
    running = await start()
    data = bomb(100 * MEBIBYTE)
    async with storm(running):
        peer = await opened(running)
        for stream in streams(5):
            peer.writer.write(http2.head(stream, further=[(b"grpc-encoding", b"gzip")]))
            whole = b"\1" + struct.pack(">I", len(data)) + data
            for first in range(0, len(whole), 10_000):
                peer.writer.write(http2.frame(http2.DATA, 0, stream, whole[first : first + 10_000]))
            assert await outcome(peer, stream) == "8"
        await peer.close()


async def test_a_compressed_message_is_served(running: Running, opened: Open) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = compressor.compress(LIST_REQUEST) + compressor.flush()
    peer = await opened(running)
    peer.writer.write(http2.head(1, further=[(b"grpc-encoding", b"gzip")]))
    peer.writer.write(http2.message(1, data, is_compressed=True))
    assert await outcome(peer) == "0"


async def test_rapid_resets(start: Start) -> None:
    running = await start()
    reset = struct.pack(">I", 8)
    async with storm(running):
        for path in (http2.LIST, CHECK, b"/made.Up/Name", b"/\xff.a/b"):
            peer = await http2.Peer.open(running.addresses.grpc)
            for stream in streams(2000):
                call = http2.head(stream, path) + http2.message(stream, LIST_REQUEST)
                peer.writer.write(call + http2.frame(http2.RST_STREAM, 0, stream, reset))
                if stream % 200 == 1:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.2)
            await call_list(running)
            await peer.close()


def abort(writer: asyncio.StreamWriter) -> None:
    """Reset a connection."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


BEGINNINGS = {
    "nothing": b"",
    "half a preface": http2.PREFACE[:12],
    "a preface": http2.PREFACE,
    "settings": http2.PREFACE + http2.settings(),
    "a head": http2.PREFACE + http2.settings() + http2.head(1),
    "a call": http2.PREFACE + http2.settings() + http2.head(1) + http2.message(1, LIST_REQUEST),
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("data", BEGINNINGS.values(), ids=BEGINNINGS)
async def test_connections_that_are_aborted(start: Start, data: bytes) -> None:
    running = await start()
    host, port = running.addresses.grpc.host, running.addresses.grpc.port

    async def connect() -> None:
        try:
            _, writer = await asyncio.open_connection(host, port)
            writer.write(data)
            await asyncio.sleep(0)
            abort(writer)
        except ConnectionError:
            pass

    async with storm(running):
        for _ in range(10):
            await asyncio.gather(*(connect() for _ in range(30)))


@pytest.mark.parametrize(
    "data", [b"", http2.PREFACE[:12], http2.PREFACE], ids=["nothing", "half", "no settings"]
)
async def test_a_slow_handshake_loses_its_connection(
    start: Start, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.options.HEAD_S", 0.5)
    running = await start()
    host, port = running.addresses.grpc.host, running.addresses.grpc.port
    async with storm(running):
        connections = [await asyncio.open_connection(host, port) for _ in range(20)]
        for _, writer in connections:
            writer.write(data)
        await call_list(running)
        async with asyncio.timeout(GENEROUS_S):
            for reader, writer in connections:
                while await reader.read(1000):
                    pass
                writer.close()


async def test_a_head_that_never_ends_loses_its_connection(start: Start) -> None:
    running = await start(grpc__idle_s=1)
    async with storm(running):
        peer = await http2.Peer.open(running.addresses.grpc)
        whole = http2.head(1)
        peer.writer.write(whole[:4] + bytes([0]) + whole[5:])  # HEADERS without the flag END_HEADERS
        await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)
        await peer.close()


async def test_endless_continuations_lose_their_connection_or_stay_small(start: Start) -> None:
    running = await start(grpc__idle_s=1)
    async with storm(running):
        peer = await http2.Peer.open(running.addresses.grpc)
        whole = http2.head(1)
        peer.writer.write(whole[:4] + bytes([0]) + whole[5:])
        part = http2.field(b"x-filling", b"y" * 16_000)
        for _ in range(4000):  # 64 MB
            if peer.closed.is_set():
                break
            peer.writer.write(http2.frame(http2.CONTINUATION, 0, 1, part))
            try:
                await peer.writer.drain()
            except ConnectionError:
                break
        await peer.close()


FLOODS: dict[str, Callable[[int], bytes]] = {
    "settings": lambda _: http2.frame(http2.SETTINGS, 0, 0),
    "empty data": lambda _: http2.frame(http2.DATA, 0, 1),
    "window updates": lambda _: http2.frame(8, 0, 0, struct.pack(">I", 1)),
    "priorities": lambda number: http2.frame(2, 0, 2 * number + 1, struct.pack(">IB", 0, 1)),
    "pings": lambda number: http2.frame(http2.PING, 0, 0, struct.pack(">Q", number)),
}


@pytest.mark.parametrize("make", FLOODS.values(), ids=FLOODS)
async def test_floods_of_frames(start: Start, make: Callable[[int], bytes]) -> None:
    running = await start(limits__deadline_s=2)
    async with storm(running):
        peer = await http2.Peer.open(running.addresses.grpc)
        peer.writer.write(http2.head(1))
        for number in range(20_000):
            if number % 500 == 0:
                await asyncio.sleep(0)
            if peer.closed.is_set():
                break
            peer.writer.write(make(number))
        await call_list(running)
        await peer.close()


async def test_a_flood_of_unknown_methods_writes_few_lines(
    start: Start, opened: Open, logs: pytest.LogCaptureFixture
) -> None:
    running = await start()
    peer = await opened(running)
    for stream in streams(200):
        peer.writer.write(http2.head(stream, b"/made.Up/Name%d" % stream) + http2.message(stream, b""))
        await peer.wait(lambda stream=stream: peer.ends(stream))
    lines: list[Any] = [one for one in logs.records if one.levelname == "WARNING"]
    assert len(lines) == 10
