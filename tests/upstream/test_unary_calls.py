"""Unary calls on the core of the gRPC library end as those of the library itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio
import pytest

from gateway.upstream.unary_calls import finish_unary, start_unary
from tests.ports import free_port

METADATA: dict[str, str | bytes] = {"x-a": "1", "x-b-bin": b"\0\xff"}
Behavior: TypeAlias = Callable[[bytes, Any], Awaitable[bytes]]


async def _echo(request: bytes, context: Any) -> bytes:
    given = {name: value for name, value in context.invocation_metadata() if name.startswith("x-")}
    await context.send_initial_metadata((("x-first", "a"), ("x-first", "b"), ("x-bin-bin", b"\0\x01")))
    context.set_trailing_metadata((("x-last", "c"),))
    return repr((request, sorted(given.items()))).encode()


async def _fail(_: bytes, context: Any) -> bytes:
    await context.send_initial_metadata((("x-first", "a"),))
    trailing = (("x-last", "c"), ("grpc-status-details-bin", b"\x08\x05"))
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing, \u00e9\u00e8", trailing)
    return b""


async def _raise(_: bytes, __: object) -> bytes:
    raise ValueError("a failure of the server")


async def _wait(_: bytes, __: object) -> bytes:
    await asyncio.sleep(30)
    return b""


async def _large(_: bytes, __: object) -> bytes:
    return bytes(5 * 1024 * 1024)  # more than a client accepts


BEHAVIORS: dict[str, Behavior] = {
    "echo": _echo, "fail": _fail, "raise": _raise, "wait": _wait, "large": _large
}  # fmt: skip


class _Handler(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        behavior: Any = BEHAVIORS.get(details.method.rpartition("/")[2])
        return grpc.unary_unary_rpc_method_handler(behavior) if behavior else None


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = grpc.aio.server(handlers=[_Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as one:
        yield one


def start_of_library(
    channel: Any, path: str, request: bytes, timeout_s: float, metadata: dict[str, str | bytes]
) -> Any:
    return channel.unary_unary(path)(request, timeout=timeout_s, metadata=tuple(metadata.items()))


async def call_library(channel: grpc.aio.Channel, path: str, request: bytes, timeout_s: float) -> Any:
    call = start_of_library(channel, path, request, timeout_s, METADATA)
    return await call, tuple(await call.initial_metadata())


async def call_core(channel: grpc.aio.Channel, path: str, request: bytes, timeout_s: float) -> Any:
    response = await finish_unary(start_unary(channel, path.encode(), timeout_s), request, METADATA)
    return response.data, tuple(response.metadata)


async def outcome(calling: Awaitable[Any]) -> Any:
    """Return all that a caller sees of the end of a call."""
    try:
        return await calling
    except grpc.aio.AioRpcError as error:
        first, last = error.initial_metadata() or (), error.trailing_metadata() or ()
        return error.code(), error.details(), tuple(first), tuple(last), bool(error.debug_error_string())
    except asyncio.CancelledError:
        return "cancelled"


@pytest.mark.parametrize(
    ("name", "timeout_s", "expected"),
    [
        ("echo", 30.0, None),
        ("fail", 30.0, grpc.StatusCode.NOT_FOUND),
        ("raise", 30.0, grpc.StatusCode.UNKNOWN),
        ("wait", 0.05, grpc.StatusCode.DEADLINE_EXCEEDED),
        ("large", 30.0, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("missing", 30.0, grpc.StatusCode.UNIMPLEMENTED),
    ],
)
async def test_a_call_ends_as_a_call_of_the_library(
    channel: grpc.aio.Channel, name: str, timeout_s: float, expected: grpc.StatusCode | None
) -> None:
    own = await outcome(call_core(channel, f"/s/{name}", b"\x00request", timeout_s))
    assert own == await outcome(call_library(channel, f"/s/{name}", b"\x00request", timeout_s))
    assert expected is None or own[0] is expected


async def test_an_upstream_that_does_not_listen() -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port()}") as channel:
        own = await outcome(call_core(channel, "/s/echo", b"", 5.0))
        other = await outcome(call_library(channel, "/s/echo", b"", 5.0))
    assert own[0] is other[0] is grpc.StatusCode.UNAVAILABLE
    assert own[2:] == other[2:]


async def test_metadata_that_cannot_be_sent_is_refused_alike(channel: grpc.aio.Channel) -> None:
    metadata: dict[str, str | bytes] = {"x-a": "line\nbreak"}
    with pytest.raises(Exception) as own:  # noqa: PT011 - the library says which
        await finish_unary(start_unary(channel, b"/s/echo", 5.0), b"", metadata)
    with pytest.raises(Exception) as other:  # noqa: PT011 - the same
        await start_of_library(channel, "/s/echo", b"", 5.0, metadata)
    assert own.type is other.type


async def test_a_cancelled_task_cancels_its_call(channel: grpc.aio.Channel) -> None:
    call = start_unary(channel, b"/s/wait", 30.0)
    task = asyncio.create_task(finish_unary(call, b"", METADATA))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.cancelled()


async def test_many_calls_at_once(channel: grpc.aio.Channel) -> None:
    made = [call_core(channel, "/s/echo", str(number).encode(), 30.0) for number in range(500)]
    found = await asyncio.gather(*made)
    assert [one[0].startswith(f"(b'{number}'".encode()) for number, one in enumerate(found)] == [True] * 500
