"""Calls to try: which ones are accepted, and that no fault quotes a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.listeners.http.api_page.tried_call import parse_tried_call

CALL: dict[str, Any] = {
    "method": "GET",
    "path": "/a?b=%20c",
    "headers": [["Accept", "text/plain"]],
    "body": None,
}


def test_a_call_is_read() -> None:
    call = parse_tried_call(json.dumps(CALL).encode())
    assert (call.method, call.path, call.headers, call.body) == (
        "GET",
        "/a?b=%20c",
        [("Accept", "text/plain")],
        None,
    )
    assert parse_tried_call(b'{"method": "POST", "path": "//x"}').headers == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another method": ({"method": "CONNECT"}, "method"),
    "a full URL": ({"path": "http://evil.example/"}, "path"),
    "user info": ({"path": "@evil.example/"}, "path"),
    "a line break": ({"path": "/a\r\nHost: b"}, "path"),
    "a space": ({"path": "/a b"}, "path"),
    "a fragment": ({"path": "/a#b"}, "path"),
    "the host": ({"headers": [["Host", "canary"]]}, "headers.0"),
    "an address": ({"headers": [["X-Forwarded-For", "canary"]]}, "headers.0"),
    "a length": ({"headers": [["Content-Length", "canary"]]}, "headers.0"),
    "a cookie": ({"headers": [["cookie", "canary"]]}, "headers.0"),
    "a line break in a header": ({"headers": [["Authorization", "canary\r\nHost: b"]]}, "headers.0"),
    "a name with a colon": ({"headers": [["a:b", "canary"]]}, "headers.0"),
    "a pair of three": ({"headers": [["a", "b", "canary"]]}, "headers.0"),
    "many headers": ({"headers": [["a", "canary"]] * 65}, "headers"),
    "a body of another type": ({"body": {"token": "canary"}}, "body"),
    "a further key": ({"canary_token": "canary"}, "canary_token"),
}


@pytest.mark.parametrize(("changes", "place"), REFUSED.values(), ids=REFUSED)
def test_others_are_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place}") as caught:
        parse_tried_call(json.dumps(CALL | changes).encode())
    assert "canary" not in str(caught.value).replace("canary_token", "")


@pytest.mark.parametrize("data", [b"", b"[]", b"{canary", b"\xff", b"[" * 100_000])
def test_what_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^body: ") as caught:
        parse_tried_call(data)
    assert "canary" not in str(caught.value)


def test_no_credentials_are_shown() -> None:
    data = json.dumps(CALL | {"headers": [["Authorization", "Bearer canary"]], "body": "canary"})
    assert "canary" not in repr(parse_tried_call(data.encode()))
