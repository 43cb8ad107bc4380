"""Every response of every HTTP listener names the server, the request and the trace, each once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.emulator import InjectedFault
from gateway.errors import Code
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.waiting import GENEROUS_S
from tests.wire.conftest import Wired, sets, shared_wired, wire_schema, wired

__all__ = ["sets", "shared_wired", "wire_schema", "wired"]  # fixtures

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
BODY = json.dumps(GOOD_IMAGE).encode()
HOST = b" HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"


def post(body: bytes, *headers: bytes, target: str = IMAGES) -> bytes:
    lines = b"".join(header + b"\r\n" for header in (b"Content-Length: %d" % len(body), *headers))
    return b"POST " + target.encode() + HOST + lines + b"\r\n" + body


def get(target: str, http_method: bytes = b"GET") -> bytes:
    return http_method + b" " + target.encode() + HOST + b"\r\n"


async def exchange(address: Any, data: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    """Send a request, read until the server closes; return status, headers and body of the last response."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(data)
    async with asyncio.timeout(GENEROUS_S):
        received = (await reader.read()).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    writer.close()
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return int(first.split(" ")[1]), headers, body


def check_common(headers: dict[str, list[str]], body: bytes = b"") -> str:
    """Check the headers that every response has; return the ID of the request."""
    assert headers["server"] == ["baremetal-gateway"]
    (request_id,) = headers["x-request-id"]
    (trace_id,) = headers["x-server-trace-id"]
    assert request_id
    assert len(trace_id) == 32
    if b'"domain":"baremetal-gateway"' in body:  # not an error of the upstream, which has an ID of its own
        (info,) = [one for one in json.loads(body)["details"] if one["@type"].endswith("RequestInfo")]
        assert info["requestId"] == request_id
    return request_id


REST = {
    "created": (post(BODY), 200),
    "listed": (get(f"{IMAGES}?folderId=b1g"), 200),
    "malformed": (post(b"{"), 400),
    "not valid": (post(b"{}"), 400),
    "denied": (post(json.dumps(GOOD_IMAGE | {"labels": {}}).encode()), 403),
    "unknown image": (get(f"{IMAGES}/{'a' * 20}"), 404),
    "unknown path": (get("/nowhere"), 404),
    "wrong method": (get(IMAGES, b"PUT"), 405),
    "HEAD": (get(IMAGES, b"HEAD"), 405),
    "PROPFIND": (get(IMAGES, b"PROPFIND"), 405),
    "unknown method": (get(IMAGES, b"BREW"), 400),
    "OPTIONS": (get("*", b"OPTIONS"), 400),
    "too large": (post(b" " * 70_000), 413),
    "wrong type": (post(b"{}", b"Content-Type: text/plain"), 415),
    "wrong expectation": (post(b"{}", b"Expect: x"), 417),
    "expected": (post(b"{", b"Expect: 100-continue"), 400),
    "large headers": (post(b"{}", *(b"X-%d: " % number + b"x" * 2000 for number in range(10))), 431),
    "large header": (post(b"{}", b"X-Large: " + b"x" * 40_000), 431),
    "no time": (post(BODY, b"Grpc-Timeout: 1n"), 504),
    "no HTTP": (b"hello\r\n\r\n", 400),
    "bad header": (b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400),
    "another version": (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    "HTTP/1.0": (b"GET /nowhere HTTP/1.0\r\n\r\n", 404),
}


@pytest.mark.parametrize(("data", "status"), REST.values(), ids=REST)
async def test_of_the_rest_listener(running: Running, data: bytes, status: int) -> None:
    found, headers, body = await exchange(running.addresses.rest, data)
    assert found == status
    check_common(headers, body)


@pytest.mark.parametrize("http_method", [b"GET", b"HEAD", b"POST"])
@pytest.mark.parametrize("page", ["/livez", "/readyz", "/readyz?verbose", "/metrics", "/openapi.json", "/no"])
async def test_of_the_admin_listener(running: Running, page: str, http_method: bytes) -> None:
    status, headers, body = await exchange(running.addresses.admin, get(page, http_method))
    assert status == (404 if page == "/no" else 405 if http_method == b"POST" else 200)
    check_common(headers)
    assert (body == b"") == (http_method == b"HEAD")


async def test_of_the_admin_listener_when_the_request_is_malformed(running: Running) -> None:
    status, headers, body = await exchange(running.addresses.admin, b"hello\r\n\r\n")
    assert status == 400
    check_common(headers, body)


@pytest.mark.parametrize("target", ["count=2", "count=0", "failure=lost", "count=1&failure=lost"])
async def test_of_streams(wired: Wired, target: str) -> None:
    status, headers, body = await exchange(wired.addresses.rest, get(f"/wire/events?{target}"))
    assert status == (500 if target == "failure=lost" else 200)
    check_common(headers, body if status == 500 else b"")


async def test_of_errors_of_the_upstream(running: Running) -> None:
    running.emulator.inject(InjectedFault(method=CREATE, code=Code.INTERNAL))
    status, headers, body = await exchange(running.addresses.rest, post(BODY))
    assert status == 500
    check_common(headers, body)


async def test_of_failures_of_the_gateway(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("gateway.policy.Decider.mutate", fail)
    status, headers, body = await exchange(running.addresses.rest, post(BODY))
    assert status == 500
    check_common(headers, body)
    assert headers["x-server-trace-id"][0].encode() in body


async def start_busy(start: Start, **sections: Any) -> tuple[Running, asyncio.Task[Any]]:
    """Start a gateway; return it with a call that takes a while."""
    running = await start(**sections)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.4))
    busy = asyncio.create_task(exchange(running.addresses.rest, post(BODY)))
    async with asyncio.timeout(GENEROUS_S):
        while not running.emulator.calls:
            await asyncio.sleep(0.01)
    return running, busy


async def test_of_calls_that_are_refused(start: Start) -> None:
    running, busy = await start_busy(start, limits__concurrency=1)
    status, headers, body = await exchange(running.addresses.rest, post(BODY))
    assert (status, json.loads(body)["details"][0]["reason"]) == (429, "OVERLOADED")
    check_common(headers, body)
    assert (await busy)[0] == 200


async def test_of_connections_that_are_refused(start: Start) -> None:
    """Each has an ID of its own, although no request is read."""
    running, busy = await start_busy(start, rest__max_connections=1)
    ids = set()
    for _ in range(3):
        status, headers, body = await exchange(running.addresses.rest, b"")
        assert (status, json.loads(body)["details"][0]["reason"]) == (503, "TOO_MANY_CONNECTIONS")
        ids.add(check_common(headers, body))
    assert len(ids) == 3
    assert (await busy)[0] == 200
