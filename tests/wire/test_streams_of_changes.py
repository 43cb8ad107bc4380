"""Streams that change something: who leaves, who fails and when, over both protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from tests.policy.making import binding_text, policy_text
from tests.waiting import wait_for
from tests.wire.conftest import Upstream, Wire, Wired

BUILD = "test.wire.v1.Wire/Build"
PROTOCOLS = ["rest", "grpc"]


def active(wired: Wired) -> float:
    metrics = wired.gateway._telemetry.metrics  # noqa: SLF001
    for line in metrics.expose().decode().splitlines():
        if line.startswith("gateway_calls_active"):
            return float(line.rpartition(" ")[2])
    return 0.0


def open_build(channel: grpc.aio.Channel, wired: Wired) -> Any:
    schema = wired.upstream.schema
    return channel.unary_stream(
        f"/{BUILD}",
        request_serializer=schema.message("test.wire.v1.WatchRequest").SerializeToString,
        response_deserializer=schema.message("test.wire.v1.Event").FromString,
    )


@pytest.fixture
def is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first message of a stream takes a while."""
    watch = Upstream.watch

    async def watch_later(self: Upstream, name: str, request: Any, context: Any) -> AsyncIterator[Any]:
        events = watch(self, name, request, context)
        first = await anext(events)
        await asyncio.sleep(0.2)
        yield first
        async for event in events:
            yield event

    monkeypatch.setattr(Upstream, "watch", watch_later)


async def leave(wired: Wired, protocol: str, read: int, **fields: Any) -> None:
    """Call, and go away after so many messages."""
    if protocol == "rest":
        await leave_rest(wired, read, fields)
        return
    async with grpc.aio.insecure_channel(str(wired.addresses.grpc)) as channel:
        request = wired.upstream.schema.message("test.wire.v1.WatchRequest")(**fields)
        call = open_build(channel, wired)(request)
        await wait_for(lambda: wired.upstream.calls)
        for _ in range(read):
            await call.read()
        call.cancel()


async def leave_rest(wired: Wired, read: int, fields: dict[str, Any]) -> None:
    reader, writer = await asyncio.open_connection(wired.addresses.rest.host, wired.addresses.rest.port)
    body = json.dumps(fields).encode()
    head = f"POST /wire/builds HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await wait_for(lambda: wired.upstream.calls)
    if read:
        await reader.readuntil(b"\r\n\r\n")
    for _ in range(read):
        await reader.readuntil(b"\n\r\n")  # a line is a chunk
    writer.close()
    await writer.wait_closed()


@pytest.mark.usefixtures("is_held")
@pytest.mark.parametrize("read", [0, 1, 2])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_stream_goes_on_to_its_end_without_its_caller(
    wire: Wire, logs: pytest.LogCaptureFixture, protocol: str, read: int
) -> None:
    wired = await wire(delay_s=0.05, limits__concurrency=1)
    await leave(wired, protocol, read, count=8)
    assert active(wired) == 1
    await wait_for(lambda: wired.upstream.ended)
    await wait_for(lambda: active(wired) == 0)
    assert not wired.upstream.is_cancelled.is_set()
    (line,) = [vars(one) for one in logs.records if one.message == "ended without its caller"]
    assert (line["method"], line["outcome"]) == (BUILD, "ok")


@pytest.mark.usefixtures("is_held")
@pytest.mark.parametrize("read", [0, 1])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_failure_of_a_stream_without_its_caller_is_logged(
    wire: Wire, logs: pytest.LogCaptureFixture, protocol: str, read: int
) -> None:
    wired = await wire(delay_s=0.05)
    await leave(wired, protocol, read, count=3, failure="lost")
    await wait_for(lambda: active(wired) == 0)
    (line,) = [vars(one) for one in logs.records if one.message == "ended without its caller"]
    assert line["outcome"] == "lost"
    assert "never retrieved" not in logs.text


async def test_a_stream_ends_before_the_gateway_does(wire: Wire) -> None:
    wired = await wire(delay_s=0.05)
    await leave(wired, "grpc", 1, count=5)
    await wired.gateway.stop()
    assert list(wired.upstream.ended) == ["Watch"]


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_warnings_reach_the_error_of_a_stream(
    wire: Wire, tmp_path: Path, protocol: str, count: int
) -> None:
    rule = {"assert": "false", "message": "'beware'", "field": "count"}
    bundle = tmp_path / "warning.yaml"
    bundle.write_text(policy_text(rule, methods=[BUILD]) + binding_text(action="warn"))
    wired = await wire(policies__path=bundle)
    if protocol == "rest":
        fields = {"count": count, "failure": "lost"}
        async with wired.client.post(wired.url("/wire/builds"), json=fields) as response:
            last = (await response.text()).splitlines()[-1]
        assert response.status == (200 if count else 500)
        assert json.loads(last)["message"] == "lost"
        assert response.headers["Warning"].startswith('299 - "p/r0: beware')
        return
    async with grpc.aio.insecure_channel(str(wired.addresses.grpc)) as channel:
        request = wired.upstream.schema.message("test.wire.v1.WatchRequest")(count=count, failure="lost")
        call = open_build(channel, wired)(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [event async for event in call]
    assert caught.value.details() == "lost"
    trailing = dict(caught.value.trailing_metadata() or ())
    assert trailing["x-policy-warning"].startswith("p/r0: beware")


async def test_a_slow_reader_gets_every_message(wire: Wire) -> None:
    wired = await wire()
    async with wired.client.post(wired.url("/wire/builds"), json={"count": 300, "size": 5000}) as response:
        await asyncio.sleep(0.2)
        lines = (await response.text()).splitlines()
    assert [json.loads(line).get("number", "0") for line in lines] == [str(number) for number in range(300)]


async def test_a_reader_of_grpc_that_stops_reading_loses_its_connection_not_its_change(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.listener.SEND_S", 0.2)
    wired = await wire(limits__deadline_s=1)
    async with grpc.aio.insecure_channel(str(wired.addresses.grpc)) as channel:
        request = wired.upstream.schema.message("test.wire.v1.WatchRequest")(count=500, size=10_000)
        call = open_build(channel, wired)(request)
        await call.read()
        await wait_for(lambda: active(wired) == 0)
