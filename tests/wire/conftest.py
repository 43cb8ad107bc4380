"""A gateway that serves test services by their descriptor sets, and their upstream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest

from gateway.app import Addresses, Gateway
from gateway.schema import Schema, load_schema
from tests.conftest import ROOT, make_config, plain_telemetry
from tests.protos.compiled import LIBRARY, POUR, WIRE, descriptor_set


@dataclass
class Upstream:
    """Serves both test services; the methods of the library return their request."""

    schema: Schema
    calls: deque[tuple[str, Any, dict[str, Any]]] = field(default_factory=deque)
    is_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: deque[str] = field(default_factory=deque)
    delay_s: float = 0.0
    address: str = ""

    def reset(self) -> None:
        """Drop what was recorded."""
        self.calls.clear()
        self.ended.clear()
        self.is_cancelled.clear()

    async def start(self) -> grpc.aio.Server:
        server = grpc.aio.server(handlers=[_Handler(self)])
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        return server

    def record(self, name: str, request: Any, context: Any) -> None:
        self.calls.append((name, request, dict(context.invocation_metadata())))

    async def answer(self, name: str, request: Any, context: Any) -> Any:
        self.record(name, request, context)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.is_cancelled.set()
            raise
        self.ended.append(name)
        if name == "Download":
            body = self.schema.message("google.api.HttpBody")
            return body(content_type="image/png" if request.name != "odd" else "a\r\nb: c", data=b"\x89PNG")
        if name == "Upload":
            content = request.content
            return self.schema.message("test.wire.v1.File")(
                name=request.name, type=content.content_type, size=len(content.data)
            )
        return request

    async def watch(self, name: str, request: Any, context: Any) -> AsyncIterator[Any]:
        self.record(name, request, context)
        event = self.schema.message("test.wire.v1.Event")
        try:
            for number in range(request.count):
                yield event(number=number, text="x" * request.size)
                await asyncio.sleep(self.delay_s)
        except (asyncio.CancelledError, GeneratorExit):  # the one while it waits, the other while it sends
            self.is_cancelled.set()
            raise
        self.ended.append("Watch")
        if request.failure:
            await context.abort(grpc.StatusCode.DATA_LOSS, request.failure)


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.methods = {method.path: method for method in upstream.schema.methods.values()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = self.methods[handler_call_details.method]
        name = method.name.rpartition("/")[2]

        async def answer(request: Any, context: Any) -> Any:
            return await self.upstream.answer(name, request, context)

        async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
            async for event in self.upstream.watch(name, request, context):
                yield event

        serializers: dict[str, Any] = {
            "request_deserializer": method.request.FromString,
            "response_serializer": lambda message: message.SerializeToString(),
        }
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(watch, **serializers)
        return grpc.unary_unary_rpc_method_handler(answer, **serializers)


@dataclass(frozen=True)
class Wired:
    gateway: Gateway
    addresses: Addresses
    upstream: Upstream
    client: aiohttp.ClientSession
    set_path: Path

    def url(self, path: str) -> str:
        return f"http://{self.addresses.rest}{path}"


@pytest.fixture(scope="session")
def sets() -> dict[str, bytes]:
    return {"wire": descriptor_set(WIRE), "library": descriptor_set(LIBRARY)}


@pytest.fixture(scope="session")
def wire_schema(sets: dict[str, bytes]) -> Schema:
    return load_schema([WIRE, LIBRARY], sets, [POUR])


Wire = Callable[..., Awaitable[Wired]]


@dataclass(frozen=True)
class WireStarter:
    """Starts gateways of the test services; the stack stops them."""

    stack: AsyncExitStack
    sets: dict[str, bytes]
    schema: Schema
    folder: Path

    async def __call__(self, *, delay_s: float = 0.0, **sections: Any) -> Wired:
        upstream = Upstream(self.schema, delay_s=delay_s)
        server = await upstream.start()
        self.stack.push_async_callback(server.stop, 0)
        paths = []
        for name, data in self.sets.items():
            paths.append(self.folder / f"{name}.binpb")
            paths[-1].write_bytes(data)
        sections = {
            "api__descriptor_sets": f"[{', '.join(map(str, paths))}]",
            "api__services": f"{{{WIRE}: baremetal, {LIBRARY}: baremetal}}",
            "api__excluded_methods": f"[{POUR}]",
            "policies__path": ROOT / "policies",
        } | sections
        gateway = Gateway(make_config(upstream.address, **sections), plain_telemetry())
        addresses = await gateway.start()
        self.stack.push_async_callback(gateway.stop)
        client = await self.stack.enter_async_context(aiohttp.ClientSession())
        return Wired(gateway, addresses, upstream, client, paths[0])


@pytest.fixture
async def wire(sets: dict[str, bytes], wire_schema: Schema, tmp_path: Path) -> AsyncIterator[Wire]:
    async with AsyncExitStack() as stack:
        yield WireStarter(stack, sets, wire_schema, tmp_path)


@pytest.fixture(scope="session")
async def shared_wired(
    sets: dict[str, bytes], wire_schema: Schema, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Wired]:
    async with AsyncExitStack() as stack:
        yield await WireStarter(stack, sets, wire_schema, tmp_path_factory.mktemp("wired"))()


@pytest.fixture
def wired(shared_wired: Wired) -> Wired:
    """A gateway that tests share; one that stops or reloads it starts its own by `wire`."""
    shared_wired.upstream.reset()
    return shared_wired
