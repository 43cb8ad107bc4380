"""A forwarded change continues without its caller, for unary calls and for streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import Int32Value

from gateway.call import Reply, ReplyStream
from gateway.errors import Code, GatewayError
from gateway.upstream import DetachedCall

FAILURE = GatewayError(Code.UNAVAILABLE, "GONE", "gone")


class Upstream:
    """An upstream whose responses the test releases."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.sent: list[int] = []
        self.abandoned: list[asyncio.Task[None]] = []

    async def respond(self, failure: GatewayError | None = None) -> Reply:
        await self.release.wait()
        if failure is not None:
            raise failure
        return Reply(message=Int32Value(value=1), metadata={})

    async def stream(self, count: int, failure: GatewayError | None = None) -> ReplyStream:
        return ReplyStream(self._messages(count, failure))

    async def _messages(self, count: int, failure: GatewayError | None) -> AsyncGenerator[Message, None]:
        await self.release.wait()
        for number in range(count):
            self.sent.append(number)
            yield Int32Value(value=number)
        if failure is not None:
            raise failure

    def call(self, forwarding: Any) -> DetachedCall:
        return DetachedCall(forwarding, self.abandoned.append)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


async def leave(call: DetachedCall) -> None:
    """Wait for the reply as a caller that goes away."""
    waiting = asyncio.ensure_future(call.reply())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting


async def test_a_reply(upstream: Upstream) -> None:
    call = upstream.call(upstream.respond())
    upstream.release.set()
    reply = await call.reply()
    assert isinstance(reply, Reply)
    assert reply.message == Int32Value(value=1)
    await call.task
    assert upstream.abandoned == []


async def test_an_error(upstream: Upstream) -> None:
    call = upstream.call(upstream.respond(FAILURE))
    upstream.release.set()
    with pytest.raises(GatewayError, match="gone"):
        await call.reply()
    assert call.task.exception() is FAILURE


@pytest.mark.parametrize("failure", [None, FAILURE])
async def test_a_caller_that_leaves_ends_nothing(upstream: Upstream, failure: GatewayError | None) -> None:
    call = upstream.call(upstream.respond(failure))
    await leave(call)
    assert not call.task.done()
    upstream.release.set()
    await asyncio.wait([call.task])
    await asyncio.sleep(0)
    assert upstream.abandoned == [call.task]
    assert call.task.exception() is failure


async def test_a_stream(upstream: Upstream) -> None:
    call = upstream.call(upstream.stream(5))
    upstream.release.set()
    reply = await call.reply()
    assert isinstance(reply, ReplyStream)
    async with aclosing(reply):
        assert [message.value async for message in reply] == list(range(5))  # type: ignore[attr-defined]
    await call.task
    assert upstream.abandoned == []


async def test_a_stream_is_read_no_faster_than_its_caller_reads(upstream: Upstream) -> None:
    call = upstream.call(upstream.stream(50))
    upstream.release.set()
    reply = await call.reply()
    assert isinstance(reply, ReplyStream)
    await anext(reply)
    await asyncio.sleep(0.01)
    assert len(upstream.sent) <= 3
    await reply.aclose()
    await call.task


async def test_a_stream_that_fails_raises_after_its_messages(upstream: Upstream) -> None:
    call = upstream.call(upstream.stream(2, FAILURE))
    upstream.release.set()
    reply = await call.reply()
    assert isinstance(reply, ReplyStream)
    for _ in range(2):
        await anext(reply)
    with pytest.raises(GatewayError, match="gone"):
        await anext(reply)


@pytest.mark.parametrize("read", [0, 1, 3])
async def test_a_stream_whose_caller_leaves_is_read_to_its_end(upstream: Upstream, read: int) -> None:
    call = upstream.call(upstream.stream(20))
    upstream.release.set()
    reply = await call.reply()
    assert isinstance(reply, ReplyStream)
    for _ in range(read):
        await anext(reply)
    await reply.aclose()  # also where nothing was read
    await call.task
    assert upstream.sent == list(range(20))
    await asyncio.sleep(0)
    assert upstream.abandoned == [call.task]


@pytest.mark.parametrize("is_stream", [False, True], ids=["unary", "stream"])
async def test_a_response_arrives_even_if_its_end_cannot_be_recorded(
    caplog: pytest.LogCaptureFixture, *, is_stream: bool
) -> None:
    def fail(_reply: object, _error: object) -> None:
        raise RuntimeError("a fault")

    upstream = Upstream()
    upstream.release.set()
    forwarding = upstream.stream(1) if is_stream else upstream.respond()
    call = DetachedCall(forwarding, upstream.abandoned.append, fail)
    reply = await call.reply()
    if isinstance(reply, ReplyStream):
        async with aclosing(reply):
            assert len([message async for message in reply]) == 1
    assert "the end of a forwarded call was not recorded" in caplog.text
