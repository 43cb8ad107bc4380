"""Bytes that are no HTTP, or that two readers could take apart differently, over raw sockets."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import re
import subprocess
import sys
import weakref
import zlib

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest
from google.protobuf import descriptor_pool

from gateway.config import Address, Config
from gateway.listeners.http.body_response import BodyResponse
from gateway.listeners.http.server import HttpServer
from gateway.transcode import JsonWriter
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.processes import without_coverage
from tests.waiting import GENEROUS_S, wait_for

_SILENCE_S = 1.0
"""After this time without data, a connection was kept open."""
BODY = b'{"uri": "x"}'
HEAD = b"POST " + IMAGES.encode() + b" HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: 12\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CREATE_BODY = json.dumps(GOOD_IMAGE).encode()
CHUNKS = b"c\r\n" + BODY + b"\r\n0\r\n\r\n"

REFUSED = {
    "no http": b"hello\r\n\r\n",
    "tls to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "http 2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unknown version": b"GET / HTTP/9.9\r\nHost: gateway\r\n\r\n",
    "http 0.9": b"GET " + IMAGES.encode() + b"\r\n\r\n",
    "http 2 without its preface": b"GET " + IMAGES.encode() + b" HTTP/2.0\r\nHost: gateway\r\n\r\n",
    "later minor version": b"GET " + IMAGES.encode() + b" HTTP/1.2\r\nHost: gateway\r\n\r\n",
    "length of many digits": HEAD + b"Content-Length: " + b"9" * 6000 + b"\r\n\r\n" + BODY,
    "length that is no number": HEAD + b"Content-Length: twelve\r\n\r\n" + BODY,
    "length and chunks": HEAD + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "chunks and length": HEAD + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "two lengths": HEAD + LENGTH + b"Content-Length: 13\r\n\r\n" + BODY,
    "a list of lengths": HEAD + b"Content-Length: 12, 12\r\n\r\n" + BODY,
    "signed length": HEAD + b"Content-Length: +12\r\n\r\n" + BODY,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
    "hexadecimal length": HEAD + b"Content-Length: 0xc\r\n\r\n" + BODY,
    "chunked twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS,
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS,
    "bad chunk size": HEAD + CHUNKED + b"\r\nzz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "negative chunk size": HEAD + CHUNKED + b"\r\n-c\r\n" + BODY + b"\r\n0\r\n\r\n",
    "hexadecimal prefix of a chunk": HEAD + CHUNKED + b"\r\n0xc\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk longer than said": HEAD + CHUNKED + b"\r\n2\r\n" + BODY + b"\r\n0\r\n\r\n",
    "line feed in a header": HEAD + b"X-Evil: a\n b: c\r\n" + LENGTH + b"\r\n" + BODY,
    "carriage return in a header": HEAD + b"X-Evil: a\rb\r\n" + LENGTH + b"\r\n" + BODY,
    "nul in a header": HEAD + b"X-Evil: a\x00b\r\n" + LENGTH + b"\r\n" + BODY,
    "folded header": HEAD + b"X-Evil: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
    "space before the colon": HEAD + b"Content-Length : 12\r\n\r\n" + BODY,
    "header without a name": HEAD + b": x\r\n" + LENGTH + b"\r\n" + BODY,
    "header without a colon": HEAD + b"surprise\r\n" + LENGTH + b"\r\n" + BODY,
    "space in the target": b"GET " + IMAGES.encode() + b" x HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "two hosts": b"GET " + IMAGES.encode() + b" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET " + IMAGES.encode() + b" HTTP/1.1\r\n\r\n",
    "long request line": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "long header": HEAD + b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(500)) + b"\r\n",
    "large headers": HEAD
    + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 2000) for n in range(20))
    + LENGTH
    + b"\r\n"
    + BODY,
    "fragment": b"GET " + IMAGES.encode() + b"#x HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "authority": b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: gateway\r\n\r\n",
}


async def exchange(running: Running, data: bytes, *, is_broken_off: bool = False) -> bytes:
    """Send bytes, read until the server closes or falls silent, return all that it sent."""
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    received = b""
    try:
        writer.write(data)
        await writer.drain()
        if is_broken_off:
            writer.write_eof()
        while more := await asyncio.wait_for(reader.read(65536), _SILENCE_S if received else GENEROUS_S):
            received += more
    except TimeoutError:
        pass  # the connection was kept open after an answer
    finally:
        writer.close()
    return received


def answers_in(received: bytes) -> list[tuple[int, dict[str, object]]]:
    """Take the answers of a connection apart, each with its body."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        found.append((int(head.split(b" ")[1]), json.loads(rest[:length])))
        received = rest[length:]
    return found


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
async def test_ambiguous_bytes_are_refused(
    running: Running, logs: pytest.LogCaptureFixture, data: bytes
) -> None:
    received = await exchange(running, data)
    answers = answers_in(received)
    assert received.startswith((b"HTTP/1.0 ", b"HTTP/1.1 "))
    assert not [one for one in logs.records if one.exc_info or one.levelname == "ERROR"]
    assert answers, "the connection was closed without an answer"
    for status, body in answers:
        assert 400 <= status < 500
        assert body["code"]
        assert "Traceback" not in json.dumps(body)
        assert "evil" not in json.dumps(body).lower()
    assert not running.emulator.calls


async def test_nothing_of_a_refused_request_is_logged(
    running: Running, logs: pytest.LogCaptureFixture
) -> None:
    secret = HEAD + b"Authorization: Bearer t1.secret-token\r\nX-Evil: a\x00b\r\n\r\n"
    await exchange(running, secret)
    await exchange(running, b"GET /" + b"secret-path" * 4000 + b" HTTP/1.1\r\n\r\n")
    assert "secret" not in logs.text
    assert "Traceback" not in logs.text


async def test_the_rest_of_a_refused_request_is_not_a_second_one(running: Running) -> None:
    smuggled = b"GET " + IMAGES.encode() + b" HTTP/1.1\r\nHost: gateway\r\n\r\n"
    received = await exchange(running, HEAD + b"Content-Length: 12, 13\r\n\r\n" + BODY + smuggled)
    assert [status for status, _ in answers_in(received)] == [400]
    assert not running.emulator.calls


async def test_a_trailer_is_no_header_of_the_next_request(running: Running) -> None:
    """aiohttp adds it to them, so a caller could send a header for another caller of the same proxy."""
    trailer = b"X-Request-Id: from-a-trailer\r\n\r\n"
    following = b"GET " + IMAGES.encode() + b" HTTP/1.1\r\nHost: gateway\r\n\r\n"
    received = await exchange(running, HEAD + CHUNKED + b"\r\n" + CHUNKS[:-2] + trailer + following)
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"from-a-trailer" not in received
    assert b"\r\nConnection: close\r\n" in received


WHOLE = HEAD + f"Content-Length: {len(CREATE_BODY)}\r\n\r\n".encode() + CREATE_BODY


async def test_whole_requests_and_those_in_parts_take_turns_on_a_connection(running: Running) -> None:
    """aiohttp serves a connection from the first request on that has not arrived completely."""
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    statuses = []
    for parts in ([WHOLE], [WHOLE], [WHOLE[:-9], WHOLE[-9:]], [WHOLE], [WHOLE[:20], WHOLE[20:]]):
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.05)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), GENEROUS_S)
        statuses.append(int(head.split()[1]))
        (length,) = re.findall(rb"Content-Length: (\d+)", head)
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()
    assert statuses == [200, 409, 409, 409, 409]  # the name is taken after the first one
    assert len(running.emulator.calls) == 5


async def read_to_end(running: Running, data: bytes) -> list[tuple[int, dict[str, object]]]:
    """Send requests, the last of which asks for the end of the connection, and return the responses."""
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    writer.write(data)
    received = await asyncio.wait_for(reader.read(), GENEROUS_S)
    writer.close()
    await writer.wait_closed()
    return answers_in(received)


async def test_requests_in_one_packet_are_answered_in_their_order(running: Running) -> None:
    last = HEAD.replace(b"POST", b"PUT") + b"Connection: close\r\n\r\n"
    found = await read_to_end(running, WHOLE * 40 + last)
    assert [status for status, _ in found] == [200] + [409] * 39 + [405]
    assert len(running.emulator.calls) == 40


READ = b"GET " + IMAGES.encode() + b"?folderId=f HTTP/1.1\r\nHost: gateway\r\n\r\n"


@pytest.mark.parametrize("following", [WHOLE, READ], ids=["with bodies", "without bodies"])
async def test_no_request_after_one_in_parts_is_forgotten(running: Running, following: bytes) -> None:
    """The parser of aiohttp stops after 32 requests, and counts requests in parts twice."""
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    for part in (WHOLE[:-9], WHOLE[-9:], WHOLE[:-9], WHOLE[-9:] + following * 50):
        writer.write(part)
        await asyncio.sleep(0.05)
    for _ in range(52):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), GENEROUS_S)
        (length,) = re.findall(rb"Content-Length: (\d+)", head)
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()
    assert len(running.emulator.calls) == 52


async def test_a_request_whose_caller_has_left_is_freed_at_once() -> None:
    """Its headers hold credentials, and garbage may be collected much later."""
    handled = []

    async def handle(request: BaseRequest) -> web.Response:
        handled.append(weakref.ref(request.headers))
        await asyncio.sleep(GENEROUS_S)
        return web.Response()

    server = HttpServer("test", handle, JsonWriter(descriptor_pool.Default()), 16384)
    address = await server.start(Address(host="127.0.0.1", port=0), None, Config().rest)
    gc.collect()
    gc.disable()
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await wait_for(lambda: handled)
        writer.close()
        await writer.wait_closed()
        await wait_for(lambda: handled[0]() is None)
    finally:
        gc.enable()
        await server.stop(1)


async def test_a_connection_closes_after_the_response_if_its_client_asks_for_it(running: Running) -> None:
    data = WHOLE.replace(b"Host", b"Connection: close\r\nHost", 1)
    assert [status for status, _ in await read_to_end(running, data)] == [200]


async def test_a_response_that_cannot_be_sent_closes_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_: BaseRequest) -> web.Response:
        return BodyResponse(b"{}", "text/plain", headers={"X-Evil": "secret\r\nX: y"})

    server = HttpServer("test", handle, JsonWriter(descriptor_pool.Default()), 16384)
    address = await server.start(Address(host="127.0.0.1", port=0), None, Config().rest)
    try:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()
    finally:
        await server.stop(1)
    (record,) = [one for one in caplog.records if one.name == "gateway.listeners.http.server"]
    assert (record.getMessage(), record.__dict__["error"]) == ("response cannot be sent", "ValueError")
    assert "secret" not in caplog.text


async def test_absolute_form_is_routed_by_its_path(running: Running) -> None:
    request = b"GET http://other.example" + IMAGES.encode() + b" HTTP/1.1\r\nHost: gateway\r\n\r\n"
    ((status, _),) = answers_in(await exchange(running, request))
    assert status == 200


async def test_continue_is_told_before_the_body(running: Running) -> None:
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    writer.write(HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n")
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 100 Continue\r\n"
    writer.write(BODY)
    await reader.readline()
    assert b" 403 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_slow_sender_is_timed_out(start: Start) -> None:
    running = await start(limits__deadline_s=0.2)
    received = await exchange(running, HEAD + LENGTH + b"\r\n{")
    assert received.startswith(b"HTTP/1.1 408 ")


MEMBER = gzip.compress(CREATE_BODY)
ENCODED = {
    "gzip": ("gzip", MEMBER, 200),
    "upper case": ("GZIP", MEMBER, 200),
    "zlib": ("deflate", zlib.compress(CREATE_BODY), 200),
    "deflate without a frame": ("deflate", zlib.compress(CREATE_BODY)[2:-4], 200),
    "identity": ("identity", CREATE_BODY, 200),
    "gzip without its trailer": ("gzip", MEMBER[:-8], 400),
    "gzip without its last byte": ("gzip", MEMBER[:-1], 400),
    "gzip with a wrong checksum": ("gzip", MEMBER[:-8] + bytes(4) + MEMBER[-4:], 400),
    "two members": ("gzip", MEMBER + MEMBER, 400),
    "gzip and more": ("gzip", MEMBER + b"x", 400),
    "zlib broken off": ("deflate", zlib.compress(CREATE_BODY)[:-1], 400),
    "deflate broken off": ("deflate", zlib.compress(CREATE_BODY)[2:-6], 400),
    "gzip said to be deflate": ("deflate", MEMBER, 400),
    "brotli": ("br", b"x", 415),
    "zstandard": ("zstd", b"x", 415),
    "another": ("compress", b"x", 415),
    "two encodings": ("gzip, gzip", MEMBER, 415),
}


@pytest.mark.parametrize(("encoding", "body", "status"), ENCODED.values(), ids=ENCODED.keys())
async def test_encoded_bodies(running: Running, encoding: str, body: bytes, status: int) -> None:
    head = HEAD + b"Connection: close\r\n"
    head += f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    ((found, answer),) = answers_in(await exchange(running, head + body))
    assert found == status, answer
    assert len(running.emulator.calls) == (status == 200)


async def test_a_broken_off_body_is_harmless(running: Running) -> None:
    await exchange(running, HEAD + LENGTH + b"\r\n{", is_broken_off=True)
    assert not running.emulator.calls
    assert (await running.client.get(running.admin("/livez"))).status == 200


async def test_the_pure_parser_refuses_the_same() -> None:
    """Without aiohttp's C parser the whole file has to pass as well."""
    if os.environ.get("AIOHTTP_NO_EXTENSIONS"):
        return  # this is that run
    environment = without_coverage() | {"AIOHTTP_NO_EXTENSIONS": "1"}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
