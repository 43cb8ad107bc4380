"""How streamed responses are framed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from aiohttp.test_utils import make_mocked_request
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from gateway.call import ReplyStream
from gateway.errors import Code, GatewayError
from gateway.listeners.http.streams import EVENTS, LINES, choose_framing, make_stream, with_heartbeats

ERROR = GatewayError(Code.INTERNAL, "INTERNAL", "it failed")
STATUS = b'{"code":13}'


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", LINES),
        ("*/*", LINES),
        ("application/json", LINES),
        ("text/event-stream", EVENTS),
        ("text/html, Text/Event-Stream;q=0.9", EVENTS),
        ("text/event-streams", LINES),
    ],
)
def test_the_caller_chooses_the_framing(accept: str, content_type: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept": accept} if accept else {})
    framing = choose_framing(request)
    assert framing.content_type == content_type
    assert make_stream(framing).content_type == content_type


def test_lines() -> None:
    framing = choose_framing(make_mocked_request("GET", "/"))
    assert framing.frame(b"{}", Empty()) == b"{}\n"
    last = json.loads(framing.frame_error(ERROR, STATUS))
    assert last == {"@type": "type.googleapis.com/google.rpc.Status", "code": 13}


def test_events() -> None:
    framing = choose_framing(make_mocked_request("GET", "/", headers={"Accept": EVENTS}))
    assert framing.frame(b"{}", Empty()) == b"data: {}\n\n"
    assert framing.frame_error(ERROR, STATUS) == b'event: error\ndata: {"code":13}\n\n'


def test_a_stream_is_not_stored() -> None:
    framing = choose_framing(make_mocked_request("GET", "/"))
    assert make_stream(framing).headers["Cache-Control"] == "no-store"


async def _messages(*pauses_s: float) -> AsyncGenerator[Message, None]:
    for pause_s in pauses_s:
        await asyncio.sleep(pause_s)
        yield Empty()


async def test_heartbeats_while_no_message_arrives() -> None:
    beating = with_heartbeats(ReplyStream(_messages(0, 0.2)), 0.05)
    async with aclosing(beating) as messages:
        found = [message is not None async for message in messages]
    assert (found[0], found[-1], found.count(True)) == (True, True, 2)
    assert found.count(False) >= 2


async def test_without_heartbeats_only_messages_arrive() -> None:
    async with aclosing(with_heartbeats(ReplyStream(_messages(0, 0.01)), None)) as messages:
        assert [message async for message in messages] == [Empty(), Empty()]


async def test_a_stream_that_is_closed_early_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    beating = with_heartbeats(ReplyStream(_messages(60)), 0.01)
    assert await anext(beating) is None
    await beating.aclose()
    assert asyncio.all_tasks() == before
