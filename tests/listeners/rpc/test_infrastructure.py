"""What the methods of gRPC itself have in common: no slot, no record, no policy, but metrics."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from tests.conftest import IMAGES, Running, Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open, streams
from tests.waiting import GENEROUS_S, wait_for

CHECK = "grpc.health.v1.Health/Check"
WATCH = b"/grpc.health.v1.Health/Watch"


async def check(running: Running, data: bytes = b"") -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(f"/{CHECK}")
        try:
            await call(data, timeout=GENEROUS_S)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_a_call_is_counted_and_logged_at_debug_but_not_recorded(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "records.jsonl"
    running = await start(decision_log__type="file", decision_log__path=path, is_traced=True)
    with caplog.at_level(logging.DEBUG, "gateway"):
        assert await check(running) is grpc.StatusCode.OK
    (line,) = [one for one in caplog.records if one.message == "responded"]
    assert (line.levelname, vars(line)["method"], vars(line)["status"]) == ("DEBUG", CHECK, "OK")
    assert f'rpc_method="{CHECK}",rpc_response_status_code="OK"' in running.metrics.expose().decode()
    assert not running.spans()
    async with running.client.post(running.url(IMAGES), json={"x": 1}) as response:
        assert response.status == 400
    await wait_for(path.read_text)
    assert path.read_text().count("\n") == 1  # the record of the other call


async def test_calls_that_fill_the_limit_do_not_starve_it(start: Start, opened: Open) -> None:
    running = await start(limits__concurrency=2, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    peer.writer.write(b"".join(http2.head(stream) for stream in streams(50)))
    await peer.wait(lambda: len(peer.statuses()) == 48)
    for _ in range(5):
        assert await check(running) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\x0a\x01\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\x0a\x88\x27" + b"x" * 5000, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (b"\x0a\x80\x80\x40" + b"x" * (1 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (b"\x0a\x03a.B", grpc.StatusCode.NOT_FOUND),
        (b"\x10\x01", grpc.StatusCode.OK),
    ],
    ids=["tag", "text", "large", "far too large", "unknown service", "unknown field"],
)
async def test_requests_that_are_odd(running: Running, data: bytes, code: grpc.StatusCode) -> None:
    assert await check(running, data) is code


async def test_a_call_without_a_request_is_refused(running: Running, opened: Open) -> None:
    peer = await opened(running)
    path = f"/{CHECK}".encode()
    peer.writer.write(http2.head(1, path) + http2.frame(http2.DATA, http2.END_STREAM, 1))
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["3"]


async def test_a_request_has_to_arrive_in_time(
    start: Start, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.health_service.REQUEST_S", 0.2)
    peer = await opened(await start())
    peer.writer.write(http2.head(1, f"/{CHECK}".encode()))
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["4"]


async def test_calls_without_a_request_are_limited(start: Start, opened: Open) -> None:
    running = await start(grpc__max_connections_per_address=5)
    peer = await opened(running)
    peer.writer.write(b"".join(http2.head(stream, f"/{CHECK}".encode()) for stream in streams(20)))
    await peer.wait(lambda: len(peer.statuses()) == 15)
    assert set(peer.statuses()) == {"8"}


async def test_a_watch_that_is_not_read_loses_its_connection(
    start: Start, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.unread_replies.SEND_S", 0.3)
    running = await start()
    peer = await opened(running, values={http2.INITIAL_WINDOW_SIZE: 0})
    peer.writer.write(http2.head(1, WATCH) + http2.message(1, b""))
    await asyncio.wait_for(peer.closed.wait(), 15)  # without a limit for each message it lasts longer
    assert await check(running) is grpc.StatusCode.OK


async def test_a_failure_of_the_gateway_is_a_fixed_text(
    start: Start, monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    running = await start()
    monkeypatch.setattr("gateway.listeners.rpc.health_service.HealthService._find_status", fail)
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(f"/{CHECK}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=GENEROUS_S)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "inner workings" not in str(caught.value)
    assert "infrastructure call failed" in logs.text
