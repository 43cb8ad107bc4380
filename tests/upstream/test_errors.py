"""What an upstream's failure becomes, with errors made by real channels and servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.config import Upstream
from gateway.errors import Code, GatewayError, UpstreamError
from gateway.telemetry import Health
from gateway.upstream import Channels
from gateway.upstream.errors import to_gateway_error

METHOD = "/test.Service/Call"


class Server:
    """Answers every call as it is told: with an error, with silence, or with so many bytes."""

    def __init__(self) -> None:
        self.code = grpc.StatusCode.UNKNOWN
        self.message = ""
        self.trailing: tuple[tuple[str, str | bytes], ...] = ()
        self.is_silent = False
        self.size = 0
        self.server = grpc.aio.server()
        handler: Any = grpc.unary_unary_rpc_method_handler(self.answer)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Service", {"Call": handler}),)
        )
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def answer(self, _: bytes, context: Any) -> bytes:
        if self.is_silent:
            await asyncio.sleep(60)
        if self.size:
            return b"x" * self.size
        await context.abort(self.code, self.message, self.trailing)
        return b""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    one = Server()
    await one.server.start()
    yield one
    await one.server.stop(0)


async def fail(port: int, timeout: float = 10, host: str = "127.0.0.1") -> GatewayError:
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        callable_: Any = channel.unary_unary(METHOD)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(b"", timeout=timeout)
        return to_gateway_error(caught.value, "somewhere")


@pytest.mark.parametrize("code", [one for one in grpc.StatusCode if one is not grpc.StatusCode.OK])
async def test_an_upstreams_words_are_kept_without_metadata_too(
    server: Server, code: grpc.StatusCode
) -> None:
    server.code, server.message = code, "its own words"
    error = await fail(server.port)
    assert isinstance(error, UpstreamError)
    assert (error.code, error.message) == (Code(code.value[0]), "its own words")


@pytest.mark.parametrize("details", [b"\xff\xff", b""], ids=["nonsense", "empty"])
async def test_bad_details_do_no_harm(server: Server, details: bytes) -> None:
    server.code, server.trailing = grpc.StatusCode.NOT_FOUND, (("grpc-status-details-bin", details),)
    error = await fail(server.port)
    assert (error.code, error.details()) == (Code.NOT_FOUND, [])


async def test_control_characters_are_replaced(server: Server) -> None:
    server.message = "a\x1b[31m\x00b\rc"
    error = await fail(server.port)
    assert "\x1b" not in error.message
    assert "\r" not in error.message


async def test_nobody_listens(server: Server) -> None:
    await server.server.stop(0)
    error = await fail(server.port)
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    assert "somewhere" in error.message
    assert str(server.port) not in error.message


async def test_a_name_that_cannot_be_resolved() -> None:
    error = await fail(443, host="a..b")  # refused before any name server is asked
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    assert "a..b" not in error.message


async def test_no_answer_in_time(server: Server) -> None:
    server.is_silent = True
    error = await fail(server.port, timeout=0.1)
    assert (error.code, error.reason) == (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_an_answer_that_is_too_large_is_not_to_be_tried_again(server: Server) -> None:
    server.size = 5 * 1024 * 1024
    error = await fail(server.port)
    assert (error.code, error.reason) == (Code.INTERNAL, "REPLY_TOO_LARGE")


@pytest.mark.parametrize("size", [7000, 9000, 15_000, 17_000, 60_000])
async def test_large_errors_of_an_upstream_keep_their_code_every_time(server: Server, size: int) -> None:
    server.code, server.trailing = grpc.StatusCode.NOT_FOUND, (("some-bin", b"\xff" * size),)
    channels = Channels({"a": Upstream(address=f"127.0.0.1:{server.port}", tls=False)}, Health())
    callable_: Any = channels["a"].unary_unary(METHOD)
    codes = set()
    for _ in range(150):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(b"", timeout=10)
        codes.add(to_gateway_error(caught.value, "somewhere").code)
    await channels.close()
    assert codes == {Code.NOT_FOUND}


async def test_an_error_that_cannot_be_read_is_no_429(server: Server) -> None:
    server.code, server.trailing = grpc.StatusCode.NOT_FOUND, (("some-bin", b"\xff" * 70_000),)
    channels = Channels({"a": Upstream(address=f"127.0.0.1:{server.port}", tls=False)}, Health())
    callable_: Any = channels["a"].unary_unary(METHOD)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await callable_(b"", timeout=10)
    await channels.close()
    error = to_gateway_error(caught.value, "somewhere")
    assert (error.code, error.reason) == (Code.INTERNAL, "REPLY_TOO_LARGE")
    assert "not known" in error.message


async def test_the_connection_breaks() -> None:
    async def slam(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await asyncio.sleep(0)

    listener = await asyncio.start_server(slam, "127.0.0.1", 0)
    async with listener:
        error = await fail(listener.sockets[0].getsockname()[1])
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    assert "127.0.0.1" not in error.message
