"""Texts in output stay on their line."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.quoting import escape_json, escape_line, quote


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=300))
def test_a_quoted_text_is_one_printable_line(text: str) -> None:
    shown = quote(text)
    assert shown.isprintable()
    assert shown[0] == shown[-1] == '"'
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", '"a"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\r\nb\0", '"a\\r\\nb\\u0000"'),
        ("\u202eabc\u2028", '"\\u202eabc\\u2028"'),
        ("я😀", '"я😀"'),
        ("\ud800", '"\\ud800"'),
        ("\U000e0041", '"\\udb40\\udc41"'),
        ("x" * 121, f'"{"x" * 120}…"'),
        (f"https://h/{'k' * 200}?X-Amz-Signature=abc", f'"https://h/{"k" * 110}…"'),
    ],
)
def test_quote(text: str, shown: str) -> None:
    assert quote(text) == shown


def test_a_json_text_shows_every_character() -> None:
    everything = "".join(chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)
    escaped = escape_json(json.dumps({everything: everything}, ensure_ascii=False))
    assert json.loads(escaped) == {everything: everything}
    for char in escaped:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Zl", "Zp"}, hex(ord(char))
    assert "я😀" in escape_json('"я😀"')


def test_a_secret_field_is_not_quoted() -> None:
    assert quote("hunter2", "password") == '"…"'


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=300))
def test_an_escaped_line_is_printable(text: str) -> None:
    shown = escape_line(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
