"""Callers of gRPC that do not read their responses."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open
from tests.waiting import GENEROUS_S


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
