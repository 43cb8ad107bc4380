"""Hostile callers of the gRPC listener: frames by hand over raw sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
import pytest

from tests.conftest import Running
from tests.listeners.http2 import LIST, Peer
from tests.waiting import GENEROUS_S

Open = Callable[..., Awaitable[Peer]]


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


async def call_list(running: Running) -> None:
    """Make a normal call, which has to succeed."""
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(LIST.decode())
        await call(b"\x0a\x0ab1gexample", timeout=GENEROUS_S)
