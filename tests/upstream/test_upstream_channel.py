"""A channel is replaced while calls are active on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.config import Config
from gateway.schema import Schema, load_schema
from gateway.upstream import upstream_channel
from gateway.upstream.upstream_channel import UpstreamChannel
from tests.waiting import wait_for

GET, WATCH = "yandex.cloud.operation.OperationService/Get", "baremetal_gateway.v1.Operations/Watch"


@pytest.fixture(scope="module")
def all_methods() -> Schema:
    return load_schema(Config().served)


class Server(grpc.GenericRpcHandler):
    """A server whose unary calls end when `may_end` is set, and whose streams send messages until then."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.peers: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        async def respond(_: bytes, context: Any) -> bytes:
            self.peers.append(context.peer())
            await self.may_end.wait()
            return b"end"

        async def stream(_: bytes, context: Any) -> AsyncIterator[bytes]:
            self.peers.append(context.peer())
            while not self.may_end.is_set():
                yield b"more"
                await asyncio.sleep(0.01)
            yield b"end"

        if details.method.endswith("Watch"):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(respond)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Server, str]]:
    handler = Server()
    server = grpc.aio.server(handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield handler, f"127.0.0.1:{port}"
    await server.stop(0)


def connect(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))


def start(channel: UpstreamChannel, schema: Schema) -> Any:
    """Start a unary call."""
    return asyncio.ensure_future(channel.unary(schema.methods[GET])(b"", 30, {}))


def start_stream(channel: UpstreamChannel, schema: Schema) -> Any:
    return channel.stream(schema.methods[WATCH], lambda _: b"")(None, timeout=30, metadata=None)


async def read(call: Any) -> bytes:
    return b" ".join([message async for message in call])


async def test_active_calls_end_on_the_old_channel(served: tuple[Server, str], all_methods: Schema) -> None:
    server, address = served
    old = connect(address)
    channel = UpstreamChannel(old)
    unary = start(channel, all_methods)
    stream = asyncio.create_task(read(start_stream(channel, all_methods)))
    await wait_for(lambda: len(server.peers) == 2)
    channel.replace(connect(address))
    later = start(channel, all_methods)
    await wait_for(lambda: len(server.peers) == 3)
    assert server.peers[0] == server.peers[1] != server.peers[2]
    assert not _is_closed(old)
    server.may_end.set()
    assert ((await unary).data, (await later).data) == (b"end", b"end")
    assert (await stream).endswith(b"more end")
    await wait_for(lambda: _is_closed(old))
    await wait_for(lambda: not channel._old)  # noqa: SLF001 - nothing else shows it
    await channel.close()


async def test_a_channel_without_calls_is_closed_at_once(served: tuple[Server, str]) -> None:
    old = connect(served[1])
    channel = UpstreamChannel(old)
    channel.replace(connect(served[1]))
    await wait_for(lambda: _is_closed(old))
    await channel.close()


async def test_the_time_for_old_calls_is_bounded(
    served: tuple[Server, str], all_methods: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_channel, "DRAIN_S", 0.05)
    channel = UpstreamChannel(connect(served[1]))
    call = start(channel, all_methods)
    await wait_for(lambda: bool(served[0].peers))
    channel.replace(connect(served[1]))
    with pytest.raises(asyncio.CancelledError):
        await call
    await channel.close()


async def test_the_end_of_the_gateway_closes_the_old_channels_too(
    served: tuple[Server, str], all_methods: Schema
) -> None:
    old = connect(served[1])
    channel = UpstreamChannel(old)
    call = start(channel, all_methods)
    await wait_for(lambda: bool(served[0].peers))
    channel.replace(connect(served[1]))
    async with asyncio.timeout(5):
        await channel.close()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert _is_closed(old)


def _is_closed(channel: grpc.aio.Channel) -> bool:
    return bool(channel._channel.closed())  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else shows it
