"""Bodies of HTTP requests: type, size, compression, and how long they may take."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest
from google.protobuf import descriptor_pool

from gateway.config import Address, Config
from gateway.errors import GatewayError
from gateway.listeners.http.body import read_body
from gateway.listeners.http.body_response import BodyResponse
from gateway.listeners.http.server import HttpServer
from gateway.transcode import JsonWriter
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start

BODY = json.dumps({"folderId": "b1gexample"}).encode()
SOON_S = 20


async def post(running: Running, body: bytes, **headers: str) -> tuple[int, str]:
    """Return status and reason of a create; a valid body without name and URI is refused as not valid."""
    sent = {"content-type": "application/json"} | {
        name.replace("_", "-"): one for name, one in headers.items()
    }
    async with running.client.post(running.url(IMAGES), data=body, headers=sent) as response:
        return response.status, (await response.json())["details"][0]["reason"]


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
    ],
    ids=["identity", "gzip", "upper case", "zlib", "raw deflate"],
)
async def test_encodings(running: Running, encoding: str, body: bytes) -> None:
    assert await post(running, body, content_encoding=encoding) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        ({"content_encoding": "br"}, BODY, 415, "CONTENT_ENCODING"),
        ({"content_encoding": "gzip, gzip"}, BODY, 415, "CONTENT_ENCODING"),
        ({"content_encoding": "gzip"}, BODY, 400, "INVALID_REQUEST"),
        ({"content_encoding": "gzip"}, gzip.compress(BODY)[:-4], 400, "INVALID_REQUEST"),
        ({"content_encoding": "gzip"}, gzip.compress(BODY) + b"x", 400, "INVALID_REQUEST"),
        ({"content_encoding": "gzip"}, gzip.compress(bytes(70_000)), 413, "BODY_TOO_LARGE"),
        ({}, bytes(70_000), 413, "BODY_TOO_LARGE"),
        ({"content_type": "text/plain"}, BODY, 415, "MEDIA_TYPE"),
        ({"content_type": "application/json; charset=latin-1"}, BODY, 415, "MEDIA_TYPE"),
        ({"content_type": "application/x-www-form-urlencoded", "origin": "x"}, BODY, 415, "MEDIA_TYPE"),
        ({"expect": "a-miracle"}, BODY, 417, "EXPECTATION"),
    ],
    ids=[
        "br",
        "two encodings",
        "not gzip",
        "gzip cut off",
        "bytes after gzip",
        "large once decompressed",
        "large",
        "text",
        "another charset",
        "a form of a browser",
        "an unknown expectation",
    ],
)
async def test_what_is_refused(
    running: Running, headers: dict[str, str], body: bytes, status: int, reason: str
) -> None:
    assert await post(running, body, **headers) == (status, reason)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "application/merge-patch+json", "APPLICATION/JSON"]
)
async def test_types_of_json(running: Running, content_type: str) -> None:
    assert await post(running, BODY, content_type=content_type) == (400, "INVALID_REQUEST")


async def start_body(running: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a create and no body."""
    address = running.addresses.rest
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"POST {IMAGES} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def test_a_body_that_does_not_arrive_ends_with_the_deadline(start: Start) -> None:
    running = await start(limits__deadline_s=0.1)
    reader, writer = await start_body(running)
    response = await asyncio.wait_for(reader.readuntil(b"\r\n"), SOON_S)
    assert response.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_callers_that_send_no_body_keep_no_one_out(start: Start) -> None:
    running = await start(limits__concurrency=2, limits__deadline_s=SOON_S)
    waiting = [await start_body(running) for _ in range(2)]
    await asyncio.sleep(0.05)
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        assert response.status == 200
    first = await asyncio.wait_for(waiting[0][0].readuntil(b"\r\n"), SOON_S)
    assert first.startswith(b"HTTP/1.1 429 ")
    for _, writer in waiting:
        writer.close()
    async with asyncio.timeout(SOON_S):
        while "gateway_calls_active 0.0" not in running.metrics.expose().decode():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serve(handle: Callable[[BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    server = HttpServer("test", handle, JsonWriter(descriptor_pool.Default()), 16384)
    try:
        yield f"http://{await server.start(Address(host='127.0.0.1', port=0), None, Config().rest)}/"
    finally:
        await server.stop(1)


async def test_a_body_is_not_kept_after_it_was_read(running: Running) -> None:
    async def handle(request: BaseRequest) -> web.StreamResponse:
        body = await read_body(request, 1000, nullcontext, is_json=False)
        assert request.content.at_eof()  # so nothing is left in the buffer
        return BodyResponse(body, "text/plain")

    async with serve(handle) as url, running.client.post(url, data=b"a" * 1000) as response:
        assert await response.read() == b"a" * 1000


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (web.RequestPayloadError(), GatewayError),
        (ConnectionResetError(), ConnectionResetError),
        (asyncio.CancelledError(), asyncio.CancelledError),
    ],
    ids=["malformed", "lost", "cancelled"],
)
async def test_only_a_malformed_body_is_an_error_of_the_caller(
    running: Running, failure: BaseException, seen: type[BaseException]
) -> None:
    found = []

    async def handle(request: BaseRequest) -> web.StreamResponse:
        request.content.set_exception(failure)
        try:
            await read_body(request, 1000, nullcontext, is_json=False)
        except BaseException as error:  # noqa: BLE001 - compared below
            found.append(type(error))
        return web.Response()

    async with serve(handle) as url, running.client.post(url, data=b"a") as response:
        await response.read()
    assert found == [seen]
