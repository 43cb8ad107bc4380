"""The number of gRPC connections from one address, and connections without a word."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open


async def test_connections_of_one_address_are_bounded(
    start: Start, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.peers.PeerConnections.watch.__defaults__", (0.2,))
    running = await start(grpc__max_connections_per_address=2)
    peers = [await opened(running) for _ in range(6)]
    await peers[0].wait(lambda: sum(peer.closed.is_set() for peer in peers) == 4)
    await asyncio.sleep(0.5)  # another look changes nothing
    assert sum(peer.closed.is_set() for peer in peers) == 4
    survivor = next(peer for peer in peers if not peer.closed.is_set())
    survivor.writer.write(http2.head(1) + http2.message(1, b"\x0a\x0ab1gexample"))
    await survivor.wait(survivor.statuses)
    assert survivor.statuses() == ["0"]
    async with running.client.get(running.url("/baremetal/v1alpha/images")) as response:
        assert response.status == 200  # other listeners' connections are not touched


async def test_silent_connections_do_not_hold_up_the_stop(start: Start) -> None:
    running = await start()
    _, writer = await asyncio.open_connection(running.addresses.grpc.host, running.addresses.grpc.port)
    await asyncio.sleep(0.1)
    async with asyncio.timeout(6):  # a handshake has ten seconds
        await running.gateway.stop()
    writer.close()
