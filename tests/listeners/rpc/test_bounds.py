"""What one caller, or many, may take of the gRPC listener: frames by hand over raw sockets."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.listeners.addresses import address_key
from tests.conftest import Running, Start
from tests.listeners import http2
from tests.listeners.http2 import Peer

Open = Callable[..., Awaitable[Peer]]
GENEROUS_S = 20


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    peers: list[Peer] = []

    async def open_one(running: Running, **settings: Any) -> Peer:
        peers.append(await Peer.open(running.addresses.grpc, **settings))
        return peers[-1]

    yield open_one
    for peer in peers:
        await peer.close()


def streams(count: int) -> range:
    return range(1, 2 * count, 2)


async def test_streams_of_one_connection_are_bounded(start: Start, opened: Open) -> None:
    running = await start(grpc__max_streams=5, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    peer.writer.write(b"".join(http2.head(stream) for stream in streams(50)))
    await peer.wait(lambda: len(peer.kinds(http2.RST_STREAM)) == 45)
    for _, code in peer.kinds(http2.RST_STREAM):
        assert int.from_bytes(code, "big") == http2.REFUSED_STREAM


async def test_of_calls_without_a_request_the_oldest_give_way(start: Start, opened: Open) -> None:
    running = await start(limits__concurrency=3, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    for stream in streams(8):
        peer.writer.write(http2.head(stream))
    await peer.wait(lambda: len(peer.statuses()) == 5)
    assert set(peer.statuses()) == {"8"}
    assert {stream for stream, _ in peer.kinds(http2.HEADERS)} == set(streams(5))
    # Whoever sends a request is served all the same.
    peer.writer.write(http2.head(17) + http2.message(17, b"\x0a\x0ab1gexample"))
    await peer.wait(lambda: "0" in peer.statuses())


async def test_a_request_has_to_arrive_within_the_deadline(start: Start, opened: Open) -> None:
    running = await start(limits__deadline_s=0.3)
    peer = await opened(running)
    peer.writer.write(http2.head(1))
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["4"]


async def test_a_call_without_any_request_is_answered(running: Running, opened: Open) -> None:
    peer = await opened(running)
    peer.writer.write(http2.head(1) + http2.frame(http2.DATA, http2.END_STREAM, 1))
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["3"]


async def test_a_caller_that_does_not_read_loses_its_connection(
    start: Start, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.listener.SEND_S", 0.3)
    running = await start(limits__deadline_s=0.3)
    peer = await opened(running, values={http2.INITIAL_WINDOW_SIZE: 0})
    peer.writer.write(http2.head(1) + http2.message(1, b"\x0a\x0ab1gexample"))
    await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)


async def test_of_too_many_unread_responses_the_oldest_is_closed(
    start: Start, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.unread_replies._PATIENCE_S", 0.0)
    running = await start(limits__concurrency=2, limits__deadline_s=600)
    peers = [await opened(running, values={http2.INITIAL_WINDOW_SIZE: 0}) for _ in range(3)]
    for peer in peers:
        peer.writer.write(http2.head(1) + http2.message(1, b"\x0a\x0ab1gexample"))
        await peer.wait(lambda peer=peer: peer.kinds(http2.HEADERS))
    await asyncio.wait_for(peers[0].closed.wait(), GENEROUS_S)
    assert not peers[2].closed.is_set()
    for peer in peers:
        await peer.close()


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


async def test_silent_connections_do_not_hold_up_the_stop(start: Start) -> None:
    running = await start()
    _, writer = await asyncio.open_connection(running.addresses.grpc.host, running.addresses.grpc.port)
    await asyncio.sleep(0.1)
    async with asyncio.timeout(6):  # a handshake has ten seconds
        await running.gateway.stop()
    writer.close()


async def test_requests_that_time_out_leave_nothing_behind(start: Start, opened: Open) -> None:
    running = await start(limits__concurrency=10, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    for number in range(40):
        peer.writer.write(b"".join(http2.head(stream + 100 * number) for stream in streams(50)))
        await peer.wait(lambda number=number: len(peer.statuses()) >= 50 * number + 40)
    await peer.close()
    async with asyncio.timeout(GENEROUS_S):
        while [one for one in asyncio.all_tasks() if one.get_name().startswith("HandleExceptions")]:
            await asyncio.sleep(0.05)
    gc.collect()


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(host: str, key: str) -> None:
    assert address_key(host) == key
