"""Calls that the page tries: they are ordinary REST calls with limits, and other pages cannot make them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.web_request import BaseRequest

from gateway.config import Address, Config
from gateway.config.listeners import ListenerTls
from gateway.listeners.http.api_page import try_out
from gateway.listeners.http.api_page.try_out import TryOut
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.ports import free_port
from tests.waiting import wait_for

LIST = {"method": "GET", "path": IMAGES}
Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]


def own_headers(origin: str) -> dict[str, str]:
    return {"Origin": origin, "X-Try-Call": "1", "Content-Type": "application/json"}


async def call(running: Running, tried: Any, **changes: str) -> tuple[int, Any]:
    headers = own_headers(running.admin("")) | {
        name.replace("_", "-"): text for name, text in changes.items()
    }
    data = tried if isinstance(tried, bytes) else json.dumps(tried).encode()
    async with running.client.post(running.admin("/docs/try"), data=data, headers=headers) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        return answer.status, await answer.json()


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Address]:
    """Serve HTTP on loopback."""
    server = web.Server(handler, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield Address(host="127.0.0.1", port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def page_for(
    rest: Address | None, config: Config | None = None
) -> AsyncIterator[Callable[..., Coroutine[Any, Any, tuple[int, Any]]]]:
    """Yield a function that tries calls, with another server in the place of the REST listener."""
    tries = TryOut(config or Config(), lambda: rest)
    async with serve(tries.call) as admin, aiohttp.ClientSession() as client:

        async def send(**tried: Any) -> tuple[int, Any]:
            url = f"http://{admin}"
            headers = own_headers(url) | {"Authorization": "Bearer of-admin", "Cookie": "a=b"}
            async with client.post(url, json=LIST | tried, headers=headers) as answer:
                return answer.status, await answer.json()

        yield send


async def test_the_response_of_the_rest_listener_is_returned(running: Running) -> None:
    status, result = await call(running, LIST | {"headers": [["X-Request-Id", "of-the-page"]]})
    assert (status, result["status"], result["reason"], result["body"]) == (200, 200, "OK", "{}")
    assert "of-the-page" in [value for name, value in result["headers"] if name.lower() == "x-request-id"]
    assert result["is_cut"] is False
    assert result["duration_ms"] > 0


async def test_policies_are_enforced(running: Running) -> None:
    headers = [["Content-Type", "application/json"]]
    tried = {"method": "POST", "path": IMAGES, "headers": headers, "body": json.dumps(GOOD_IMAGE)}
    _, allowed = await call(running, tried)
    assert (allowed["status"], json.loads(allowed["body"])["description"]) == (200, "Create image")
    _, denied = await call(running, tried | {"body": json.dumps(GOOD_IMAGE | {"labels": {}})})
    assert denied["status"] == 403
    details = {one["@type"].rpartition(".")[2]: one for one in json.loads(denied["body"])["details"]}
    assert details["ErrorInfo"]["reason"] == "POLICY_VIOLATION"
    assert len(details["BadRequest"]["fieldViolations"]) == 3


async def test_the_page_learns_whether_calls_are_possible(running: Running) -> None:
    async with running.client.get(running.admin("/docs/try")) as answer:
        assert await answer.json() == {"is_possible": True, "reason": ""}
    async with running.client.get(running.admin("/docs/try"), headers={"Host": "evil.example"}) as answer:
        found = await answer.json()
    assert (found["is_possible"], "localhost" in found["reason"]) == (False, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain"},
        {"X_Try_Call": "0"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"X_Forwarded_For": "10.0.0.1"},
    ],
    ids=str,
)
async def test_other_pages_cannot_try_calls(running: Running, changes: dict[str, str]) -> None:
    calls = len(running.emulator.calls)
    status, result = await call(running, LIST, **changes)
    assert (status, list(result)) == (403, ["error"])
    assert len(running.emulator.calls) == calls


async def test_a_call_that_is_not_well_formed_is_refused(running: Running) -> None:
    status, result = await call(running, {"method": "GET", "path": "http://canary/"})
    assert (status, result["error"].partition(":")[0]) == (400, "path")
    assert "canary" not in str(result)


async def test_the_size_of_a_request_is_limited(running: Running) -> None:
    status, result = await call(running, b" " * 200_000)
    assert (status, "larger than" in result["error"]) == (413, True)


async def test_the_time_to_receive_a_request_is_limited(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(try_out, "RECEIVE_S", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    headers = own_headers(running.admin(""))
    async with running.client.post(running.admin("/docs/try"), data=slow(), headers=headers) as answer:
        assert answer.status == 408


async def test_the_number_of_calls_at_a_time_is_limited() -> None:
    arrived, release = 0, asyncio.Event()

    async def hold(_request: BaseRequest) -> web.Response:
        nonlocal arrived
        arrived += 1
        await release.wait()
        return web.Response()

    async with serve(hold) as rest, page_for(rest) as send:
        waiting = [asyncio.create_task(send()) for _ in range(try_out.MAX_CALLS)]
        await wait_for(lambda: arrived == try_out.MAX_CALLS)
        assert (await send())[0] == 429
        release.set()
        assert [(await one)[1]["status"] for one in waiting] == [200] * try_out.MAX_CALLS
        assert (await send())[1]["status"] == 200


async def test_only_the_headers_of_the_page_are_sent() -> None:
    received: list[tuple[str, list[tuple[str, str]]]] = []

    async def note(request: BaseRequest) -> web.Response:
        received.append((request.raw_path, list(request.headers.items())))
        return web.Response(status=302, headers={"Location": "http://evil.example/", "Set-Cookie": "a=b"})

    async with serve(note) as rest, page_for(rest) as send:
        status, result = await send(path="//a/%2e%2e?b=%20&c", headers=[["Authorization", "Bearer of-page"]])
        await send()
    assert (status, result["status"]) == (200, 302)
    own = [("Host", str(rest)), ("X-Forwarded-For", "127.0.0.1")]
    path, headers = received[0]
    assert path == "//a/%2e%2e?b=%20&c"
    ignored = {"Connection"}
    assert sorted(one for one in headers if one[0] not in ignored) == sorted(
        [*own, ("Authorization", "Bearer of-page")]
    )
    assert sorted(one for one in received[1][1] if one[0] not in ignored) == own


async def test_a_long_response_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_out, "MAX_RESPONSE_BYTES", 1000)

    async def long(_request: BaseRequest) -> web.Response:
        return web.Response(body=b"\xff" + b"x" * 5000)

    async with serve(long) as rest, page_for(rest) as send:
        _, result = await send()
    assert (result["is_cut"], result["body"]) == (True, "\ufffd" + "x" * 999)


async def test_a_response_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TryOut, "__init__", with_timeout(0.3, TryOut.__init__))

    async def endless(request: BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await asyncio.sleep(30)
        return response

    async def silent(_request: BaseRequest) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with serve(endless) as rest, page_for(rest) as send:
        _, result = await send()
    assert (result["is_cut"], result["body"]) == (True, "data: 1\n\n")
    async with serve(silent) as rest, page_for(rest) as send:
        assert (await send())[0] == 504


def with_timeout(timeout_s: float, initialize: Callable[..., None]) -> Callable[..., None]:
    def changed(self: TryOut, *arguments: Any) -> None:
        initialize(self, *arguments)
        self.timeout_s = timeout_s

    return changed


async def test_a_rest_listener_that_cannot_be_reached_is_reported() -> None:
    async with page_for(None) as send:
        assert (await send())[0] == 503
    async with page_for(Address(host="127.0.0.1", port=free_port())) as send:
        status, result = await send(headers=[["Authorization", "Bearer canary"]])
    assert (status, result) == (502, {"error": "the REST listener could not be called"})


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
async def test_a_listener_on_every_interface_is_called_on_loopback(host: str) -> None:
    async def respond(request: BaseRequest) -> web.Response:
        return web.Response(text=request.headers["Host"])

    async with serve(respond) as rest, page_for(Address(host=host, port=rest.port)) as send:
        assert (await send())[1]["body"] == f"127.0.0.1:{rest.port}"


async def test_only_the_certificate_of_the_listener_is_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    own, other = (authority.issue_cert("gateway.example") for _ in range(2))
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = ListenerTls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    config = Config()
    config = config.model_copy(update={"rest": config.rest.model_copy(update={"tls": tls})})

    async def respond(request: BaseRequest) -> web.Response:
        return web.Response(text=request.scheme)

    statuses = []
    for issued in (own, other):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued.configure_cert(context)
        async with serve(respond, context) as rest, page_for(rest, config) as send:
            statuses.append(await send())
    assert statuses[0][1]["body"] == "https"
    assert statuses[1] == (502, {"error": "the REST listener could not be called"})


async def test_a_tls_gateway_tries_calls(start: Start, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("gateway.example")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    running = await start(rest__tls=f"{{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}")
    _, result = await call(running, LIST)
    assert (result["status"], result["body"]) == (200, "{}")


async def test_no_credentials_are_logged(running: Running, logs: pytest.LogCaptureFixture) -> None:
    tried = LIST | {"headers": [["Authorization", "Bearer canary"]], "body": "canary"}
    for one in (tried, tried | {"path": "nowhere"}, tried | {"method": "POST"}):
        await call(running, one)
    assert logs.records
    assert "canary" not in "".join(f"{record.getMessage()} {record.__dict__}" for record in logs.records)


async def test_calls_can_be_turned_off(start: Start) -> None:
    running = await start(admin__try_calls="never")
    status, result = await call(running, LIST)
    assert (status, result["error"]) == (403, "calls cannot be tried here, because admin.try_calls is never")
