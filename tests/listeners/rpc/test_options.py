"""What the gRPC library enforces: streams, connections, idle time, age, pings, metadata."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.emulator import InjectedFault
from tests.conftest import Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open, streams
from tests.waiting import GENEROUS_S, wait_for


async def test_streams_of_one_connection_are_bounded(start: Start, opened: Open) -> None:
    running = await start(grpc__max_streams=5, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    peer.writer.write(b"".join(http2.head(stream) for stream in streams(50)))
    await peer.wait(lambda: len(peer.kinds(http2.RST_STREAM)) == 45)
    for _, code in peer.kinds(http2.RST_STREAM):
        assert int.from_bytes(code, "big") == http2.REFUSED_STREAM


async def test_connections_in_all_are_bounded(start: Start, opened: Open) -> None:
    running = await start(grpc__max_connections=3)
    peers = [await opened(running) for _ in range(8)]
    await peers[0].wait(lambda: sum(peer.closed.is_set() for peer in peers) == 5)


async def test_idle_connections_are_closed(start: Start, opened: Open) -> None:
    running = await start(grpc__idle_s=1)
    peer = await opened(running)
    await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)
    assert peer.kinds(http2.GOAWAY)


async def test_a_connection_that_says_nothing_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.options.HEAD_S", 0.5)
    running = await start()
    reader, writer = await asyncio.open_connection(running.addresses.grpc.host, running.addresses.grpc.port)
    async with asyncio.timeout(GENEROUS_S):
        while await reader.read(1000):
            pass
    writer.close()


ENHANCE_YOUR_CALM = 11
PINGS = 20


def goaway_codes(peer: http2.Peer) -> list[int]:
    return [int.from_bytes(payload[4:8], "big") for _, payload in peer.kinds(http2.GOAWAY)]


async def ping(peer: http2.Peer) -> None:
    for number in range(PINGS):
        peer.writer.write(http2.frame(http2.PING, 0, 0, number.to_bytes(8, "big")))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "keys",
    [{"grpc__min_ping_interval_s": 300}, {"grpc__min_ping_interval_s": 0.01, "grpc__idle_pings": "false"}],
    ids=["too often", "without calls"],
)
async def test_a_client_that_sends_too_many_pings_loses_its_connection(
    start: Start, opened: Open, keys: dict[str, Any]
) -> None:
    peer = await opened(await start(**keys))
    await ping(peer)
    await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)
    assert ENHANCE_YOUR_CALM in goaway_codes(peer)
    assert len(peer.kinds(http2.PING)) < PINGS


async def test_pings_within_the_interval_keep_the_connection(start: Start, opened: Open) -> None:
    peer = await opened(await start(grpc__min_ping_interval_s=0.01))
    await ping(peer)
    await peer.wait(lambda: len(peer.kinds(http2.PING)) >= PINGS)
    assert not peer.closed.is_set()
    assert goaway_codes(peer) == []


async def test_a_peer_that_does_not_respond_to_a_ping_loses_its_connection(
    start: Start, opened: Open
) -> None:
    running = await start(grpc__keepalive_s=1, grpc__keepalive_timeout_s=1)
    peer = await opened(running)
    peer.acknowledges = False
    await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)
    assert peer.kinds(http2.PING)


async def test_an_old_connection_is_closed_after_its_calls(start: Start, opened: Open) -> None:
    running = await start(grpc__age_s=1)
    running.emulator.inject(InjectedFault(method=http2.LIST.decode().lstrip("/"), delay_s=2.5))
    peer = await opened(running)
    peer.writer.write(http2.head(1) + http2.message(1, b"\x0a\x0ab1gexample"))
    await peer.wait(lambda: peer.kinds(http2.GOAWAY))
    assert peer.statuses() == []
    await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)
    assert peer.statuses() == ["0"]
    assert goaway_codes(peer)[0] == 0


async def test_a_stop_sends_goaway_and_lets_calls_end(start: Start, opened: Open) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=http2.LIST.decode().lstrip("/"), delay_s=0.5))
    peer = await opened(running)
    peer.writer.write(http2.head(1) + http2.message(1, b"\x0a\x0ab1gexample"))
    await wait_for(lambda: running.emulator.calls)
    stopping = asyncio.create_task(running.gateway.stop())
    await peer.wait(lambda: peer.kinds(http2.GOAWAY))
    assert peer.statuses() == []
    await asyncio.wait_for(stopping, GENEROUS_S)
    assert peer.statuses() == ["0"]


async def test_metadata_above_the_limit_ends_only_its_own_call(start: Start, opened: Open) -> None:
    running = await start(limits__header_bytes=2048)
    peer = await opened(running)
    large = http2.head(1, further=[(b"x-large", b"x" * 3000)]) + http2.message(1, b"\x0a\x0ab1gexample")
    peer.writer.write(large + http2.head(3) + http2.message(3, b"\x0a\x0ab1gexample"))
    await peer.wait(lambda: len(peer.statuses()) == 2)
    assert sorted(peer.statuses()) == ["0", "8"]
