"""Advisories about what grows: nesting, compressed bytes, callers that leave."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from gateway.errors import Code
from tests.conformance.peers.raw_clients import LIMIT_S, Connection, Http2, ask, has_code, request_bytes
from tests.conftest import GOOD_IMAGE, IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.schema import Schema
    from tests.conftest import Running
    from tests.wire.conftest import Upstream, Wire, Wired

ANY = "type.googleapis.com/google.protobuf.Any"
BOMB_BYTES = 32 * 1024 * 1024
READ = b"/test.wire.v1.Wire/Read"
MAKE = b"/test.v1.Library/Make"


async def is_well(wired: Wired) -> bool:
    """Tell whether the gateway answers an ordinary request."""
    status, _ = await ask(wired.addresses.rest, request_bytes("GET /wire/things/a"))
    return status == 200


# --- protobuf CVE-2026-0994: an Any within an Any within an Any passes by the limit of depth


def nested_json(depth: int) -> bytes:
    head = f'{{"@type": "{ANY}", "value": ' * depth
    return f'{{"any": {head}{{}}{"}" * depth}}}'.encode()


def nested_message(schema: Schema, depth: int) -> Any:
    data = b""
    for _ in range(depth - 1):
        data = AnyMessage(type_url=ANY, value=data).SerializeToString()
    message: Any = schema.message("test.v1.Everything")()
    message.any.type_url, message.any.value = ANY, data
    return message


@pytest.mark.parametrize(
    ("depth", "status"), [(1, 200), (31, 200), (90, 200), (100, 400), (300, 400), (900, 400)]
)
async def test_an_any_nested_in_the_request(wired: Wired, depth: int, status: int) -> None:
    given, body = await ask(wired.addresses.rest, request_bytes("POST /v1/things", (), nested_json(depth)))
    assert given == status, body
    assert len(wired.upstream.calls) == (status == 200)
    assert await is_well(wired)


@pytest.mark.parametrize("depth", [5, 31, 33, 500])
async def test_an_any_nested_in_the_answer(wired: Wired, monkeypatch: pytest.MonkeyPatch, depth: int) -> None:
    """It is expanded as far as the writer goes, and then keeps its bytes."""

    async def answer(*_: object) -> Any:
        return nested_message(wired.upstream.schema, depth)

    monkeypatch.setattr(wired.upstream, "answer", answer)
    started = time.process_time()
    status, body = await ask(wired.addresses.rest, request_bytes("POST /v1/things", (), b"{}"))
    assert status == 200, body
    levels, one = 0, body["any"]
    while isinstance(one, dict) and "@type" in one:
        levels, one = levels + 1, one.get("value")
    assert levels == min(depth, 33)
    assert time.process_time() - started < 2


def wrap(tag: bytes, data: bytes) -> bytes:
    """Return bytes as a field that holds them, under 64 KiB."""
    size = len(data)
    return tag + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data


async def test_a_message_nested_in_a_call(wired: Wired) -> None:
    """Bytes nest without end; the parser stops at a hundred levels."""
    data = b""
    for _ in range(1000):
        data = wrap(b"\x1a", data)  # Inner.inner
    everything = wrap(b"\x8a\x01", data)
    packed = nested_message(wired.upstream.schema, 500).SerializeToString()
    connection = await Http2.open(wired.addresses.grpc)
    refused = await connection.receive(connection.call(MAKE, everything))
    taken = await connection.receive(connection.call(MAKE, packed))
    await connection.close()
    assert has_code(refused, Code.INVALID_ARGUMENT)
    assert has_code(taken, Code.OK)
    assert len(wired.upstream.calls) == 1


# --- compressed bytes that are many more once decompressed


def twice(data: bytes) -> bytes:
    return gzip.compress(gzip.compress(data))


BOMBS: list[tuple[str, Callable[[bytes], bytes], set[int]]] = [
    ("gzip", gzip.compress, {413}),
    ("GZIP", gzip.compress, {413}),
    ("deflate", zlib.compress, {413}),
    ("identity", gzip.compress, {400}),
    ("gzip, gzip", twice, {415}),
    ("gzip\r\nContent-Encoding: gzip", twice, {415}),
    ("x-gzip", gzip.compress, {415}),
    # aiohttp's own parser answers for these, when it has no library for them
    ("br", gzip.compress, {400, 415}),
    ("zstd", gzip.compress, {400, 415}),
]


@pytest.mark.parametrize(
    ("encoding", "compress", "statuses"), BOMBS, ids=[name.replace("\r\n", " ") for name, _, _ in BOMBS]
)
async def test_a_bomb_in_the_request(
    running: Running, encoding: str, compress: Callable[[bytes], bytes], statuses: set[int]
) -> None:
    bomb = compress(b" " * BOMB_BYTES + json.dumps(GOOD_IMAGE).encode())
    headers = [("Content-Encoding", encoding)]
    started = time.process_time()
    status, body = await ask(running.addresses.rest, request_bytes(f"POST {IMAGES}", headers, bomb))
    assert status in statuses, body
    assert time.process_time() - started < 1
    assert not running.emulator.calls


async def test_bytes_of_any_type_are_decompressed_or_refused(wired: Wired) -> None:
    """What policy judges is what the upstream receives, never a text that is still compressed."""
    for encoding, expected in [("gzip", 200), ("x-gzip", 415), ("gzip, gzip", 415)]:
        request = request_bytes(
            "PUT /wire/files/a", [("Content-Encoding", encoding)], gzip.compress(b"content")
        )
        status, body = await ask(wired.addresses.rest, request)
        assert status == expected, body
    ((_, upload, _),) = wired.upstream.calls
    assert upload.content.data == b"content"


async def test_a_bomb_in_a_call(running: Running, schema: Schema) -> None:
    method = schema.methods["yandex.cloud.baremetal.v1alpha.ImageService/Create"]
    bomb = method.request(folder_id="b1g", description="a" * BOMB_BYTES).SerializeToString()
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        create: Any = channel.unary_unary(method.path)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await create(bomb, compression=grpc.Compression.Gzip, timeout=LIMIT_S)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not running.emulator.calls


async def test_a_bomb_in_an_answer(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_name: str, _request: object, context: Any) -> Any:
        context.set_compression(grpc.Compression.Gzip)
        everything = wired.upstream.schema.message("test.v1.Everything")
        return everything(f_string="a" * BOMB_BYTES)

    with monkeypatch.context() as patch:
        patch.setattr(wired.upstream, "answer", answer)
        status, body = await ask(wired.addresses.rest, request_bytes("POST /v1/things", (), b"{}"))
    assert status >= 400
    assert len(json.dumps(body)) < 2000
    assert await is_well(wired)


# --- callers that leave, in numbers


class Count:
    """Counts what becomes of the calls at the upstream."""

    def __init__(self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self._answer, self._watch = upstream.answer, upstream.watch
        monkeypatch.setattr(upstream, "answer", self.answer)
        monkeypatch.setattr(upstream, "watch", self.watch)

    async def answer(self, name: str, request: Any, context: Any) -> Any:
        self.began[name] += 1
        try:
            return await self._answer(name, request, context)
        except asyncio.CancelledError:
            self.cancelled[name] += 1
            raise

    async def watch(self, name: str, request: Any, context: Any) -> Any:
        self.began[name] += 1
        try:
            async for event in self._watch(name, request, context):
                yield event
        except asyncio.CancelledError:
            self.cancelled[name] += 1
            raise


async def become(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


CALLERS = 30


async def test_a_storm_of_callers_that_leave(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wired = await wire(delay_s=30, limits__concurrency=2 * CALLERS, limits__queue_s=LIMIT_S)
    count = Count(wired.upstream, monkeypatch)
    tasks = len(asyncio.all_tasks())
    for _ in range(2):  # a second time, so that a place that was not given back is missed
        count.began.clear()
        count.cancelled.clear()
        connections = await asyncio.gather(
            *(Connection.open(wired.addresses.rest) for _ in range(5 * CALLERS))
        )
        heads = [
            b"",
            b"GET /wire/files/a HT",
            request_bytes("PUT /v1/number", (), b'"7"')[:-1],
            request_bytes("GET /wire/files/a"),
            request_bytes("GET /wire/events?count=100"),
        ]
        for number, connection in enumerate(connections):
            connection.writer.write(heads[number % len(heads)])
        await become(lambda: count.began == {"Download": CALLERS, "Watch": CALLERS})
        for connection in connections:
            connection.abort()
        await become(lambda: count.cancelled == {"Download": CALLERS, "Watch": CALLERS})
    await become(lambda: len(asyncio.all_tasks()) <= tasks)
    wired.upstream.delay_s = 0
    assert await is_well(wired)


async def test_a_storm_of_calls_that_are_cancelled(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wired = await wire(delay_s=30, limits__concurrency=CALLERS)
    count = Count(wired.upstream, monkeypatch)
    tasks = len(asyncio.all_tasks())
    for _ in range(2):
        count.began.clear()
        count.cancelled.clear()
        connection = await Http2.open(wired.addresses.grpc)
        streams = [connection.call(READ, b"") for _ in range(CALLERS)]
        await become(lambda: count.began == {"Read": CALLERS})
        for stream in streams:
            connection.reset(stream)
        await become(lambda: count.cancelled == {"Read": CALLERS})
        await connection.close()
    await become(lambda: len(asyncio.all_tasks()) <= tasks)
    wired.upstream.delay_s = 0
    assert await is_well(wired)


async def test_calls_reset_as_soon_as_they_begin(wire: Wire) -> None:
    """CVE-2023-44487: opening and resetting costs the caller nothing."""
    wired = await wire(limits__concurrency=CALLERS)
    tasks = len(asyncio.all_tasks())
    connection = await Http2.open(wired.addresses.grpc)
    for _ in range(20 * CALLERS):
        connection.reset(connection.call(READ, b""))
    await connection.writer.drain()
    await connection.close()
    await become(lambda: len(asyncio.all_tasks()) <= tasks)
    assert await is_well(wired)
    connection = await Http2.open(wired.addresses.grpc)
    assert has_code(await connection.receive(connection.call(READ, b"")), Code.OK)
    await connection.close()
