"""What an error of an upstream call becomes: real channels, real servers, and faults on the wire.

The texts of the channel itself are those of the locked version of grpcio: a
version with other texts fails here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from opentelemetry.sdk.resources import Resource

from gateway.config import Upstream
from gateway.errors import Code, UpstreamError
from gateway.telemetry import Health, Metrics
from gateway.upstream import Channels
from gateway.upstream.errors import to_gateway_error, unreadable_response
from tests.upstream.http2_upstream import (
    HEAD,
    HEAD_WITH_METADATA,
    Fault,
    closing,
    end,
    goaway,
    http_status,
    reset_stream,
    resetting,
    sending,
    upstream,
)

METHOD = "/test.Service/Call"


class Server:
    """Ends every call with an error, never, or with a message of so many bytes."""

    def __init__(self) -> None:
        self.code = grpc.StatusCode.UNKNOWN
        self.message = ""
        self.trailing: tuple[tuple[str, str | bytes], ...] = ()
        self.is_silent = False
        self.is_started = asyncio.Event()
        self.size = 0
        self.server = grpc.aio.server()
        handler: Any = grpc.unary_unary_rpc_method_handler(self.respond)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Service", {"Call": handler}),)
        )
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def respond(self, _: bytes, context: Any) -> bytes:
        self.is_started.set()
        if self.is_silent:
            await asyncio.Event().wait()
        if self.size:
            context.set_trailing_metadata(self.trailing)
            return b"x" * self.size
        await context.abort(self.code, self.message, self.trailing)
        return b""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    one = Server()
    await one.server.start()
    yield one
    await one.server.stop(0)


def open_channels(address: str, **settings: Any) -> Channels:
    upstream = Upstream(**{"address": address, "tls": False} | settings)
    return Channels({"a": upstream}, Health(), Metrics(Resource({})))


async def fail(address: str | int, timeout_s: float = 20, **settings: Any) -> grpc.aio.AioRpcError:
    """Make a call by a channel of the gateway's, and return its error."""
    address = f"127.0.0.1:{address}" if isinstance(address, int) else address
    channels = open_channels(address, **settings)
    callable_: Any = channels["a"].current.unary_unary(METHOD)
    try:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(b"", timeout=timeout_s)
    finally:
        await channels.close()
    return caught.value


def check_is_unavailable(raised: grpc.aio.AioRpcError, text: str) -> None:
    """Check the text of the channel, and that the caller is not shown it."""
    assert text in (raised.details() or "")
    error = to_gateway_error(raised, "somewhere")
    assert not isinstance(error, UpstreamError)
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    assert error.may_have_acted == text.startswith("Stream removed (")
    assert error.message == "the upstream somewhere cannot be reached; try again later"


# What the upstream itself reports

MAY_HAVE_ACTED = {
    "CANCELLED": True, "UNKNOWN": True, "INVALID_ARGUMENT": False, "DEADLINE_EXCEEDED": True,
    "NOT_FOUND": False, "ALREADY_EXISTS": False, "PERMISSION_DENIED": False, "RESOURCE_EXHAUSTED": False,
    "FAILED_PRECONDITION": False, "ABORTED": False, "OUT_OF_RANGE": False, "UNIMPLEMENTED": False,
    "INTERNAL": True, "UNAVAILABLE": True, "DATA_LOSS": True, "UNAUTHENTICATED": False,
}  # fmt: skip


@pytest.mark.parametrize("code", [one for one in grpc.StatusCode if one is not grpc.StatusCode.OK])
async def test_an_upstreams_words_are_kept_without_metadata_too(
    server: Server, code: grpc.StatusCode
) -> None:
    server.code, server.message = code, "its own words"
    error = to_gateway_error(await fail(server.port), "somewhere")
    assert isinstance(error, UpstreamError)
    assert (error.code, error.message) == (Code(code.value[0]), "its own words")
    assert error.may_have_acted == MAY_HAVE_ACTED[code.name]


LIKE_THE_CHANNEL = {
    grpc.StatusCode.UNAVAILABLE: "failed to connect to all addresses",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Deadline Exceeded",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Stream removed (CLIENT: Received message larger than max (2 vs. 1))",
}


@pytest.mark.parametrize("code", LIKE_THE_CHANNEL)
async def test_a_text_like_the_channels_is_the_upstreams_with_trailing_metadata(
    server: Server, code: grpc.StatusCode
) -> None:
    server.code, server.message, server.trailing = code, LIKE_THE_CHANNEL[code], (("a", "b"),)
    error = to_gateway_error(await fail(server.port), "somewhere")
    assert isinstance(error, UpstreamError)
    assert (error.code, error.message) == (Code(code.value[0]), LIKE_THE_CHANNEL[code])


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED])
async def test_a_text_like_the_channels_with_another_code_is_the_upstreams(
    server: Server, code: grpc.StatusCode
) -> None:
    server.code, server.message = code, "failed to connect to all addresses"
    assert isinstance(to_gateway_error(await fail(server.port), "somewhere"), UpstreamError)


@pytest.mark.parametrize(
    "text",
    [
        "Socket closed",
        "Connection reset by peer",
        "no node of ipv4:10.0.0.1:80 could be reached: connections to all backends failed",
        "it failed to connect to all addresses",
        "Deadline Exceeded",
        "",
    ],
)
async def test_words_within_an_upstreams_text_are_the_upstreams(server: Server, text: str) -> None:
    server.code, server.message = grpc.StatusCode.UNAVAILABLE, text
    error = to_gateway_error(await fail(server.port), "somewhere")
    assert isinstance(error, UpstreamError)
    assert error.message == text


async def test_an_upstreams_own_deadline_is_told_from_the_calls(server: Server) -> None:
    server.code, server.message = grpc.StatusCode.DEADLINE_EXCEEDED, "deadline exceeded in the database"
    assert isinstance(to_gateway_error(await fail(server.port), "somewhere"), UpstreamError)


STATUSES = {
    "after a head": HEAD + end(b"14", b"closed"),
    "after a head with metadata": HEAD_WITH_METADATA + end(b"14", b"closed"),
    "alone": end(b"14", b"closed", has_head=False),
}


@pytest.mark.parametrize("name", STATUSES)
async def test_a_status_on_the_wire_is_the_upstreams(name: str) -> None:
    async with upstream(sending(STATUSES[name])) as port:
        error = to_gateway_error(await fail(port), "somewhere")
    assert isinstance(error, UpstreamError)
    assert (error.code, error.message) == (Code.UNAVAILABLE, "closed")


async def test_a_proxy_that_knows_no_grpc_has_its_own_words() -> None:
    async with upstream(sending(http_status(b"503"))) as port:
        error = to_gateway_error(await fail(port), "somewhere")
    assert isinstance(error, UpstreamError)
    assert (error.code, error.message) == (Code.UNAVAILABLE, "Received http2 header with status: 503")


async def test_a_stream_that_the_upstream_cancels_is_cancelled() -> None:
    async with upstream(sending(reset_stream(8))) as port:
        error = to_gateway_error(await fail(port), "somewhere")
    assert isinstance(error, UpstreamError)
    assert error.code is Code.CANCELLED


@pytest.mark.parametrize("details", [b"\xff\xff", b""], ids=["nonsense", "empty"])
async def test_bad_details_do_no_harm(server: Server, details: bytes) -> None:
    server.code, server.trailing = grpc.StatusCode.NOT_FOUND, (("grpc-status-details-bin", details),)
    error = to_gateway_error(await fail(server.port), "somewhere")
    assert (error.code, error.details()) == (Code.NOT_FOUND, [])


async def test_control_characters_are_replaced(server: Server) -> None:
    server.message = "a\x1b[31m\x00b\rc"
    error = to_gateway_error(await fail(server.port), "somewhere")
    assert "\x1b" not in error.message
    assert "\r" not in error.message


# What the channel reports: there is no connection


async def test_a_refused_connection(server: Server) -> None:
    await server.server.stop(0)
    check_is_unavailable(await fail(server.port), "failed to connect to all addresses; last error: ")


async def test_a_name_that_cannot_be_resolved() -> None:
    raised = await fail("a..b:443")  # refused before any name server is asked
    check_is_unavailable(raised, "errors resolving a..b:443: ")


async def test_plaintext_where_tls_is_expected(server: Server) -> None:
    check_is_unavailable(
        await fail(server.port, tls=True), "failed to connect to all addresses; last error: "
    )


@pytest.fixture
async def tls_port() -> AsyncIterator[int]:
    """The port of a server whose certificate nobody trusts."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    secure = grpc.aio.server()
    credentials = grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)])
    port = secure.add_secure_port("127.0.0.1:0", credentials)
    await secure.start()
    yield port
    await secure.stop(0)


async def test_a_certificate_that_is_not_trusted(tls_port: int) -> None:
    check_is_unavailable(await fail(tls_port, tls=True), "failed to connect to all addresses; last error: ")


async def test_tls_where_plaintext_is_expected(tls_port: int) -> None:
    check_is_unavailable(await fail(tls_port), "failed to connect to all addresses; last error: ")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "HTTP/1.1"])
async def test_a_server_that_knows_no_http_2(sent: bytes) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listener:
        raised = await fail(listener.sockets[0].getsockname()[1])
    check_is_unavailable(raised, "failed to connect to all addresses; last error: ")


# What the channel reports: the response ended without a status

BROKEN: dict[str, tuple[Fault, str]] = {
    "closed before the head": (closing(), "Stream removed ("),
    "closed after the head": (closing(HEAD), "Stream removed ("),
    "closed after a head with metadata": (closing(HEAD_WITH_METADATA), "Stream removed ("),
    "reset before the head": (resetting(), "Stream removed ("),
    "reset after the head": (resetting(HEAD), "Stream removed ("),
    "reset after a head with metadata": (resetting(HEAD_WITH_METADATA), "Stream removed ("),
    "GOAWAY": (sending(goaway(0)), "Stream removed (GOAWAY received; Error code: 0; "),
    "GOAWAY for a failure": (sending(goaway(2)), "Stream removed (GOAWAY received; Error code: 2; "),
    "GOAWAY after the head": (sending(HEAD + goaway(2)), "Stream removed (GOAWAY received; Error code: 2; "),
    "a stream that is refused": (sending(reset_stream(7)), "Stream removed (RST_STREAM "),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_response_without_a_status(name: str) -> None:
    fault, text = BROKEN[name]
    async with upstream(fault) as port:
        raised = await fail(port)
    assert bool(raised.initial_metadata()) == ("with metadata" in name)
    check_is_unavailable(raised, text)


DEADLINES: dict[str, bytes] = {
    "before the head": b"",
    "after the head": HEAD,
    "after a head with metadata": HEAD_WITH_METADATA,
}
# The channel uses the one text until it has sent the call, the other from then on.
DEADLINE_TEXTS = {"Deadline Exceeded", "Stream removed (Deadline Exceeded)"}


def check_is_deadline(raised: grpc.aio.AioRpcError) -> None:
    error = to_gateway_error(raised, "somewhere")
    assert (error.code, error.reason) == (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert error.message == "the upstream somewhere did not respond within the call's deadline"
    assert error.may_have_acted


@pytest.mark.parametrize("name", DEADLINES)
async def test_the_deadline_passes(name: str) -> None:
    async with upstream(sending(DEADLINES[name])) as port:
        raised = await fail(port, timeout_s=0.5)
    assert raised.details() in DEADLINE_TEXTS
    assert bool(raised.initial_metadata()) <= ("with metadata" in name)
    check_is_deadline(raised)


async def test_the_deadline_passes_without_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        raised = await fail(silent.getsockname()[1], timeout_s=0.3)
    assert raised.details() == "Deadline Exceeded"
    check_is_deadline(raised)


@pytest.mark.parametrize("trailing", [(), (("a", "b"),)], ids=["alone", "with trailing metadata"])
async def test_a_message_that_is_too_large_is_not_to_be_tried_again(
    server: Server, trailing: tuple[tuple[str, str | bytes], ...]
) -> None:
    server.size, server.trailing = 17 * 1024 * 1024, trailing
    raised = await fail(server.port)
    assert str(raised.details()).startswith("Stream removed (CLIENT: Received message larger than max (")
    error = to_gateway_error(raised, "somewhere")
    assert (error.code, error.reason) == (Code.INTERNAL, "REPLY_TOO_LARGE")
    assert "was carried out" in error.message
    assert error.may_have_acted


def test_a_message_that_cannot_be_read_was_an_effect() -> None:
    assert unreadable_response("somewhere").may_have_acted


@pytest.mark.parametrize("size", [7000, 9000, 15_000, 17_000, 60_000])
async def test_large_errors_of_an_upstream_keep_their_code_every_time(server: Server, size: int) -> None:
    server.code, server.trailing = grpc.StatusCode.NOT_FOUND, (("some-bin", b"\xff" * size),)
    channels = open_channels(f"127.0.0.1:{server.port}")
    callable_: Any = channels["a"].current.unary_unary(METHOD)
    codes = set()
    for _ in range(150):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(b"", timeout=10)
        codes.add(to_gateway_error(caught.value, "somewhere").code)
    await channels.close()
    assert codes == {Code.NOT_FOUND}


@pytest.mark.parametrize("sizes", [[70_000], [20_000] * 4], ids=["one value", "all values"])
async def test_an_error_that_cannot_be_read_is_no_429(server: Server, sizes: list[int]) -> None:
    trailing = tuple((f"some{number}-bin", b"\xff" * size) for number, size in enumerate(sizes))
    server.code, server.trailing = grpc.StatusCode.NOT_FOUND, trailing
    raised = await fail(server.port)
    assert str(raised.details()).startswith("Stream removed (received metadata size exceeds hard limit")
    error = to_gateway_error(raised, "somewhere")
    assert (error.code, error.reason) == (Code.INTERNAL, "REPLY_TOO_LARGE")
    assert "not known" in error.message
    assert error.may_have_acted


# What the gateway itself ends is no error of the upstream


@pytest.mark.parametrize("is_stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("is_closed", [False, True], ids=["the call is cancelled", "the channel is closed"])
async def test_a_call_that_the_gateway_ends_is_cancelled(
    server: Server, *, is_stream: bool, is_closed: bool
) -> None:
    server.is_silent = True
    channels = open_channels(f"127.0.0.1:{server.port}")
    make: Any = channels["a"].current.unary_stream if is_stream else channels["a"].current.unary_unary
    call = make(METHOD)(b"")

    async def read() -> None:
        if is_stream:
            _ = [message async for message in call]
        else:
            await call

    reading = asyncio.ensure_future(read())
    await server.is_started.wait()
    if not is_closed:
        call.cancel()
    await channels.close()
    with pytest.raises(asyncio.CancelledError):
        await reading
