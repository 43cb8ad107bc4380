"""The responses are those that aiohttp itself would write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from gateway.listeners.http.body_response import BodyResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest

CASES: dict[str, dict[str, Any]] = {
    "usual": {},
    "status": {"status": 404},
    "without body": {"status": 204},
    "not modified": {"status": 304},
    "empty": {"body": b""},
    "HEAD": {"method": "HEAD"},
    "HTTP/1.0": {"version": "1.0"},
    "HTTP/1.0 that stays open": {"version": "1.0", "connection": "keep-alive"},
    "closed by the client": {"connection": "close"},
    "closed by the server": {"closes": True},
    "largest that is copied": {"body": b"x" * 16_384},
    "large": {"body": b"x" * 16_385},
    "headers": {"headers": {"X-One": "1", "x-two": "жж"}},
    "headers that are read": {"reads": True},
    "sent by the handler": {"sends": True},
}


LATE = {"X-Late": "set after the construction", "x-later": "set too"}


async def exchange(
    make: Callable[[], web.Response], case: dict[str, Any]
) -> tuple[str, dict[str, str], bytes, bool]:
    """Return the status line, the headers and the body, and whether the connection stays open."""

    async def handle(request: BaseRequest) -> web.Response:
        response = make()
        for name, value in LATE.items():
            if isinstance(response, BodyResponse):
                response.add_header(name, value)
            else:
                response.headers.add(name, value)
        if case.get("reads"):
            assert response.headers["X-Late"] == LATE["X-Late"]
        if case.get("closes"):
            response.force_close()
        if case.get("sends"):
            await response.prepare(request)
        return response

    server = web.Server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    method, version = case.get("method", "GET"), case.get("version", "1.1")
    connection = f"Connection: {case['connection']}\r\n" if "connection" in case else ""
    request = f"{method} / HTTP/{version}\r\nHost: x\r\n{connection}\r\n".encode()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status_line, *lines = head[:-4].split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    has_body = method != "HEAD" and case.get("status") not in {204, 304}
    body = await reader.readexactly(int(headers.get("Content-Length", 0)) if has_body else 0)
    try:
        writer.write(request)
        is_open = bool(await asyncio.wait_for(reader.read(1), 5))
    except ConnectionError:
        is_open = False
    writer.close()
    await server.shutdown(1)
    listening.close()
    return status_line, headers, body, is_open


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_response_is_the_same_as_that_of_aiohttp(case: dict[str, Any]) -> None:
    body, status, headers = case.get("body", b'{"a":1}'), case.get("status", 200), case.get("headers", {})

    def make_expected() -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": "application/json", **headers})

    own = await exchange(lambda: BodyResponse(body, "application/json", status, headers), case)
    expected = await exchange(make_expected, case)
    for one in (own, expected):
        assert one[1].pop("Server")  # aiohttp adds its own name
        assert one[1].pop("Date")
    assert own == expected


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_cannot_add_a_line(value: str) -> None:
    writes: list[bytes] = []

    async def handle(_: BaseRequest) -> web.Response:
        return BodyResponse(b"x", "text/plain", headers={"X-One": value})

    server = web.Server(handle, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    writes.append(await reader.read())
    assert b"X-Injected" not in writes[0]
    assert b"X-One" not in writes[0]
    writer.close()
    await server.shutdown(1)
    listening.close()


async def test_the_status_is_a_plain_number() -> None:
    assert type(BodyResponse(b"x", "text/plain", HTTPStatus.NOT_FOUND).status) is int


async def test_headers_can_be_added_before_and_after_others_are_read() -> None:
    response = BodyResponse(b"x", "text/plain", headers={"X-One": "1"})
    response.add_header("X-Two", "2")
    response.add_headers({"X-Three": "3"})
    assert [*response.headers] == ["Content-Type", "Server", "X-One", "X-Two", "X-Three"]
    response.add_header("Warning", "a")
    response.add_headers({"Warning": "b"})
    assert response.headers.getall("Warning") == ["a", "b"]


@pytest.mark.parametrize("name", ["as aiohttp writes it", "as it is written here"])
async def test_the_date_is_the_present_one(name: str) -> None:
    case = {"closes": True} if name == "as aiohttp writes it" else {}
    _, headers, _, _ = await exchange(lambda: BodyResponse(b"x", "text/plain"), case)
    sent = parsedate_to_datetime(headers["Date"])
    assert abs(datetime.now(UTC) - sent) < timedelta(seconds=5)


async def test_a_response_to_a_lost_connection_is_a_connection_error() -> None:
    failures: list[BaseException] = []
    ended = asyncio.Event()

    async def handle(request: BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        response = BodyResponse(b"x", "text/plain")
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError as error:
            failures.append(error)
        ended.set()
        return response

    server = web.Server(handle, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(ended.wait(), 5)
    assert len(failures) == 1
    writer.close()
    await server.shutdown(1)
    listening.close()
