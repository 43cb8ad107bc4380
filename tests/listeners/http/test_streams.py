"""How streamed responses are framed."""

from __future__ import annotations

import json

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.listeners.http.streams import EVENTS, LINES, choose_framing, make_stream

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
    assert framing.frame(b"{}") == b"{}\n"
    last = json.loads(framing.frame_error(STATUS))
    assert last == {"@type": "type.googleapis.com/google.rpc.Status", "code": 13}


def test_events() -> None:
    framing = choose_framing(make_mocked_request("GET", "/", headers={"Accept": EVENTS}))
    assert framing.frame(b"{}") == b"data: {}\n\n"
    assert framing.frame_error(STATUS) == b'event: error\ndata: {"code":13}\n\n'


def test_a_stream_is_not_stored() -> None:
    framing = choose_framing(make_mocked_request("GET", "/"))
    assert make_stream(framing).headers["Cache-Control"] == "no-store"
