"""Limits that the gRPC library enforces: streams, connections, idle time."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open, streams
from tests.waiting import GENEROUS_S


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
