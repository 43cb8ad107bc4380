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
    assert upstream.abandoned == []


async def test_an_error(upstream: Upstream) -> None:
    call = upstream.call(upstream.respond(FAILURE))
    upstream.release.set()
    with pytest.raises(GatewayError, match="gone"):
        await call.reply()
    assert upstream.abandoned == []


@pytest.mark.parametrize("failure", [None, FAILURE])
async def test_a_caller_that_leaves_ends_nothing(upstream: Upstream, failure: GatewayError | None) -> None:
    call = upstream.call(upstream.respond(failure))
    await leave(call)
    (task,) = upstream.abandoned
    assert not task.done()
    upstream.release.set()
    await asyncio.wait([task])
    assert task.exception() is failure


async def test_a_stream(upstream: Upstream) -> None:
    call = upstream.call(upstream.stream(5))
    upstream.release.set()
    reply = await call.reply()
    assert isinstance(reply, ReplyStream)
    async with aclosing(reply):
        assert [message.value async for message in reply] == list(range(5))  # type: ignore[attr-defined]
    await asyncio.sleep(0)
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
    await asyncio.wait(upstream.abandoned)
    assert upstream.sent == list(range(50))


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
    (task,) = upstream.abandoned
    await task
    assert upstream.sent == list(range(20))


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


class Ends:
    """Notes how calls have ended."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, BaseException | None]] = []

    def note(self, reply: object, error: BaseException | None) -> None:
        self.seen.append((reply, error))


async def run_to_end(forwarding: Any, *, is_left: bool) -> tuple[Ends, list[asyncio.Task[None]]]:
    """Forward a call whose caller leaves or stays, and return how it has ended."""
    ends, abandoned = Ends(), list[asyncio.Task[None]]()
    call = DetachedCall(forwarding, abandoned.append, ends.note)
    if is_left:
        await leave(call)
        await asyncio.wait(abandoned)
    else:
        with suppress(GatewayError, asyncio.CancelledError):
            await call.reply()
    return ends, abandoned


REPLY = Reply(message=Int32Value(value=1), metadata={})


@pytest.mark.parametrize("is_left", [False, True], ids=["stays", "leaves"])
async def test_the_end_is_noted_once(*, is_left: bool) -> None:
    async def respond() -> Reply:
        for _ in range(3):
            await asyncio.sleep(0.02)
            await asyncio.sleep(0)
        return REPLY

    async def fail() -> Reply:
        await asyncio.sleep(0.02)
        raise FAILURE

    ends, _ = await run_to_end(respond(), is_left=is_left)
    assert ends.seen == [(REPLY, None)]
    ends, _ = await run_to_end(fail(), is_left=is_left)
    assert ends.seen == [(None, FAILURE)]


@pytest.mark.parametrize("is_left", [False, True], ids=["stays", "leaves"])
async def test_what_a_future_raises_reaches_the_forwarder(*, is_left: bool) -> None:
    async def forward(future: asyncio.Future[None]) -> Reply:
        try:
            await future
        except ValueError:
            await asyncio.sleep(0)
            return REPLY
        raise AssertionError

    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.03, future.set_exception, ValueError())
    ends, _ = await run_to_end(forward(future), is_left=is_left)
    assert ends.seen == [(REPLY, None)]


@pytest.mark.parametrize("is_left", [False, True], ids=["stays", "leaves"])
async def test_a_cancelled_future_cancels_the_forwarder_only(*, is_left: bool) -> None:
    async def forward(future: asyncio.Future[None]) -> Reply:
        await future
        raise AssertionError

    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.03, future.cancel)
    ends, abandoned = await run_to_end(forward(future), is_left=is_left)
    ((reply, error),) = ends.seen
    assert reply is None
    assert isinstance(error, asyncio.CancelledError)
    assert len(abandoned) == is_left


async def test_a_caller_that_leaves_while_its_reply_arrives(upstream: Upstream) -> None:
    """The future of the forwarder is done, but the task of the caller has not run since."""
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    async def forward() -> Reply:
        return await future

    call = upstream.call(forward())
    waiting = asyncio.ensure_future(call.reply())
    await asyncio.sleep(0)
    future.set_result(REPLY)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (task,) = upstream.abandoned
    await task
    assert not task.cancelled()


async def test_a_caller_that_leaves_between_two_steps(upstream: Upstream) -> None:
    """The forwarder gives way to other tasks, so it waits for no future."""
    steps = []

    async def forward() -> Reply:
        for number in range(5):
            steps.append(number)
            await asyncio.sleep(0)
        return REPLY

    waiting = asyncio.ensure_future(upstream.call(forward()).reply())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (task,) = upstream.abandoned
    await task
    assert steps == list(range(5))


async def test_the_end_of_the_process_ends_an_abandoned_call(upstream: Upstream) -> None:
    ends = Ends()
    call = DetachedCall(upstream.respond(), upstream.abandoned.append, ends.note)
    await leave(call)
    (task,) = upstream.abandoned
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    ((_, error),) = ends.seen
    assert isinstance(error, asyncio.CancelledError)
