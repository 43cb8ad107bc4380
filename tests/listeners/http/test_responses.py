"""Headers and bodies of HTTP responses: every response of every listener has the same headers."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest
from aiohttp import web
from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from gateway.emulator import InjectedFault
from gateway.errors import Code, GatewayError, UpstreamError
from gateway.listeners.errors import HttpError
from gateway.listeners.http.responses import (
    error_response,
    json_response,
    raw_response,
    set_common_headers,
    set_warnings,
    tree_response,
)
from gateway.transcode import JsonWriter
from tests.conftest import IMAGES, Running, Start
from tests.wire.conftest import Wired, sets, shared_wired, wire_schema, wired

__all__ = ["sets", "shared_wired", "wire_schema", "wired"]  # fixtures
COMMON = ("Server", "x-request-id", "x-server-trace-id")
WRITER = JsonWriter(descriptor_pool.Default())


@pytest.mark.parametrize("path", [IMAGES, f"{IMAGES}/none", "/nowhere", f"{IMAGES}?pageSize=x"])
async def test_every_response_has_the_common_headers(running: Running, path: str) -> None:
    async with running.client.get(running.url(path)) as response:
        assert response.headers["Server"] == "baremetal-gateway"
        assert all(response.headers[name] for name in COMMON)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_admin_page_has_them(running: Running, path: str, method: str) -> None:
    async with running.client.request(method, running.admin(path)) as response:
        assert response.headers["Server"] == "baremetal-gateway"
        assert all(response.headers[name] for name in COMMON)


async def test_a_stream_has_them(wired: Wired) -> None:
    async with wired.client.get(wired.url("/wire/events?count=2")) as response:
        assert response.status == 200
        assert response.headers["Server"] == "baremetal-gateway"
        assert all(response.headers[name] for name in COMMON)
        await response.read()


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"])
async def test_a_request_that_cannot_be_parsed_has_them(running: Running, data: bytes) -> None:
    address = running.addresses.rest
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(data)
    response = (await reader.read()).decode()
    writer.close()
    assert " 400 Bad Request\r\n" in response
    assert all(f"\r\n{name}: " in response for name in COMMON)


async def test_a_refused_connection_has_them(start: Start) -> None:
    running = await start(rest__max_connections=1)
    address = running.addresses.rest
    first, busy = await asyncio.open_connection(address.host, address.port)
    busy.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
    await asyncio.sleep(0.05)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    response = (await reader.read()).decode()
    for one in (busy, writer):
        one.close()
    del first
    assert response.startswith("HTTP/1.1 503 ") or response == ""  # the first one may have been idle again


def test_an_error_has_the_status_of_its_code() -> None:
    error = GatewayError(Code.NOT_FOUND, "GONE", "gone", warnings=["a: b"])
    response = error_response(error, WRITER, "id")
    assert (response.status, response.headers.getall("Warning")) == (404, ['299 - "a: b"'])
    assert isinstance(response.body, bytes)
    assert b'"reason":"GONE"' in response.body
    assert b'"requestId":"id"' in response.body


def test_an_http_error_has_its_own_status_and_headers() -> None:
    error = HttpError(HTTPStatus.METHOD_NOT_ALLOWED, Code.UNIMPLEMENTED, "X", "x", headers={"Allow": "GET"})
    response = error_response(error, WRITER, "id")
    assert (response.status, response.headers["Allow"]) == (405, "GET")


def test_the_headers_of_an_error_are_sent() -> None:
    headers = {"WWW-Authenticate": 'Bearer realm="r"'}
    error = GatewayError(Code.UNAUTHENTICATED, "X", "x", headers=headers, retry_after_s=3)
    response = error_response(error, WRITER, "id")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="r"'
    assert response.headers["Retry-After"] == "3"


def test_bodies() -> None:
    assert tree_response({"a": "ж"}).body == '{"a": "ж"}'.encode()
    assert json_response(b"{}", 201).status == 201
    raw = raw_response(b"x", "image/png")
    assert (raw.headers["Content-Type"], raw.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")


def test_headers_are_set_in_place() -> None:
    response = web.StreamResponse()
    set_common_headers(response, {"x-request-id": "1"})
    set_warnings(response, ("one", "two"))
    assert response.headers["x-request-id"] == "1"
    assert response.headers.getall("Warning") == ['299 - "one"', '299 - "two"']


async def test_an_upstream_error_without_a_json_form_has_its_own_response(
    start: Start, logs: pytest.LogCaptureFixture
) -> None:
    """The upstream, not the caller, sends what JSON cannot hold."""
    running = await start()
    detail = AnyMessage()
    detail.Pack(Timestamp(seconds=10**15))
    fault = InjectedFault(
        method="yandex.cloud.baremetal.v1alpha.ImageService/List",
        code=Code.NOT_FOUND,
        message="gone",
        details=(detail,),
    )
    running.emulator.inject(fault)
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        body = await response.json()
    assert (response.status, body["code"], body["message"]) == (404, 5, "gone")
    assert body["details"][0]["@type"] == detail.type_url
    assert [one.message for one in logs.records if one.message == "responded"] == ["responded"]
    assert "gateway_calls_active 0.0" in running.metrics.expose().decode()


@pytest.mark.parametrize(
    ("delay_s", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.001, "2"), (90.5, "91")]
)
def test_a_time_to_try_again_is_a_header_in_whole_seconds(delay_s: float, header: str) -> None:
    error = GatewayError(Code.RESOURCE_EXHAUSTED, "R", "m", retry_after_s=delay_s)
    assert error_response(error, WRITER, "1").headers["Retry-After"] == header


def test_the_upstream_s_time_to_try_again_is_a_header_too() -> None:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(2500)
    packed = AnyMessage()
    packed.Pack(info)
    for details, header in (
        ([packed], "3"),
        ([], None),
        ([AnyMessage(type_url=packed.type_url, value=b"\xff")], None),
        ([AnyMessage(type_url=packed.type_url, value=b"\x0a\x0b\x08" + b"\xff" * 9 + b"\x01")], None),
    ):
        error = UpstreamError(Code.UNAVAILABLE, "m", details)
        assert error_response(error, WRITER, "1").headers.get("Retry-After") == header
