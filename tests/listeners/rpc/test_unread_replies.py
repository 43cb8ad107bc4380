"""Callers of gRPC that do not read their responses."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import pytest

from gateway.config import Config
from gateway.schema import load_schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
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


WATCH = b"/baremetal_gateway.v1.Operations/Watch"


async def start_operation(running: Running) -> str:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        return str((await response.json())["id"])


async def test_a_watch_that_is_not_read_loses_its_connection(
    start: Start, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.unread_replies.SEND_S", 0.3)
    running = await start(delay_s=60)
    operation_id = (await start_operation(running)).encode()
    peer = await opened(running, values={http2.INITIAL_WINDOW_SIZE: 0})
    message = b"\x0a" + bytes([len(operation_id)]) + operation_id
    peer.writer.write(http2.head(1, WATCH) + http2.message(1, message))
    await asyncio.wait_for(peer.closed.wait(), GENEROUS_S)


async def test_a_watch_that_is_read_has_no_time_limit(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.listener.SEND_S", 0.1)
    monkeypatch.setattr("gateway.listeners.rpc.unread_replies.SEND_S", 0.1)
    running = await start(delay_s=0.9, limits__deadline_s=0.2, limits__wait_s=0.1)
    method = load_schema(Config().served).methods[WATCH.decode().lstrip("/")]
    request: Any = method.request(operation_id=await start_operation(running))
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_stream(method.path, response_deserializer=method.reply.FromString)
        assert [one.done async for one in call(request.SerializeToString())] == [False, True]
