"""The readable form of a log line, and the caches of the JSON form."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.log_formats import JsonFormatter, TextFormatter


def make(message: str = "responded", level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    own = {"name": "gateway.x", "levelno": level, "levelname": logging.getLevelName(level), "msg": message}
    return logging.makeLogRecord(own | {"created": 1796000252.753146} | fields)


def text(record: logging.LogRecord, *, has_colors: bool = False) -> str:
    return TextFormatter(has_colors=has_colors).encode(record).decode()


def test_a_line_starts_with_time_level_and_message() -> None:
    line = text(make(http_method="POST", status=403, outcome="denied", caller_id="", duration_ms=3.925))
    assert (
        line == "00:57:32.753Z INFO    responded http_method=POST status=403 outcome=denied duration_ms=3.925"
    )


def test_values_with_spaces_are_quoted_and_redacted() -> None:
    line = text(make("upstream failed", reason="no route", link="https://a/b?token=canary", parts=["a", 1]))
    assert line.endswith('upstream failed reason="no route" link=https://a/b?… parts=["a",1]')


def test_colors_mark_level_and_outcome() -> None:
    line = text(make(level=logging.ERROR, outcome="error"), has_colors=True)
    assert "\x1b[31mERROR   \x1b[0m" in line
    assert "\x1b[31merror\x1b[0m" in line
    assert "\x1b[32mok\x1b[0m" in text(make(outcome="ok"), has_colors=True)


def test_no_text_of_a_caller_controls_the_terminal() -> None:
    record = make("a\x1b[2Jb\n", caller_id="x\x9b1m\u202e\r\n")
    record.stack_info = "one\x1b\ntwo"
    line = text(record)
    assert all(char.isprintable() or char == "\n" for char in line)
    assert line.count("\n") == 2


def test_an_exception_follows_indented() -> None:
    record = make("call failed")
    try:
        int("password=canary")
    except ValueError:
        record.exc_info = sys.exc_info()
    first, *rest = text(record).split("\n")
    assert first.endswith("call failed")
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in rest)
    assert "canary" not in str(rest)


@given(
    st.sampled_from(["http_method", "status", "reason", "call_id", "anything", "password"]),
    st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.text()),
)
def test_a_json_line_is_the_same_with_and_without_the_caches(name: str, value: Any) -> None:
    formatter = JsonFormatter()
    first, second = (formatter.format(make(**{name: value})) for _ in range(2))
    assert first == second
    shown = json.loads(first)
    assert list(shown) == ["time", "level", "logger", "message", name]
    if isinstance(value, int):
        assert shown[name] == value
    if name == "password" and value and isinstance(value, str):
        assert shown[name] == "…"


@pytest.mark.parametrize("value", [True, 1, 1.0, "1"], ids=["bool", "int", "float", "text"])
def test_the_cache_keeps_types_apart(value: Any) -> None:
    for other in (True, 1, 1.0, "1"):
        JsonFormatter().encode(make(status=other))
    shown = json.loads(JsonFormatter().encode(make(status=value)))["status"]
    assert (shown, type(shown)) == (value, type(value))


def test_arguments_of_a_message_are_not_cached() -> None:
    lines = [json.loads(JsonFormatter().encode(make("%s dropped", args=(word,)))) for word in ("a", "b")]
    assert [line["message"] for line in lines] == ["a dropped", "b dropped"]


def test_repeated_fields_are_kept_in_bounds() -> None:
    formatter = JsonFormatter()
    for number in range(3000):
        line = formatter.encode_fields(0.0, "x", "m", {}, {"status": number, "route": "/x"})
        assert json.loads(line)["status"] == number
    (kept,) = [one for one in vars(formatter).values() if isinstance(one, dict)]
    assert 0 < len(kept) <= 1024
    long = {"route": "x" * 2000}
    assert json.loads(formatter.encode_fields(0.0, "x", "m", {}, long))["route"] == long["route"]
    assert not any("x" * 2000 in one for one in kept.values())


def test_equal_values_under_other_names_are_other_fields() -> None:
    formatter = JsonFormatter()
    lines = [formatter.encode_fields(0.0, "x", "m", {}, {name: "v"}) for name in ("route", "method")]
    assert [json.loads(line).get("method") for line in lines] == [None, "v"]
