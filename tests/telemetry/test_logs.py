"""Log lines as they are written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway.telemetry import configure_logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs("INFO", written)
    yield written
    root.handlers[:], root.level = before, level


def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    logging.getLogger("x").info("two\nlines", extra={"call_id": "1", "number": 2})
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found["message"] == "two\nlines"
    assert (found["level"], found["logger"], found["call_id"], found["number"]) == ("INFO", "x", "1", 2)
    assert found["time"].startswith("20")


def test_secrets_are_masked_wherever_they_stand(stream: io.StringIO) -> None:
    link = "https://storage.yandexcloud.net/b/k.iso?X-Amz-Signature=deadbeef"
    log = logging.getLogger("x")
    try:
        int(link)
    except ValueError:
        log.exception(
            "at %s", link, extra={"list": [link], "map": {"a": link}, "auth": "Bearer t1.abcdefghijkl"}
        )
    assert "deadbeef" not in stream.getvalue()
    assert "abcdefghijkl" not in stream.getvalue()


def test_no_character_of_a_line_is_unseen(stream: io.StringIO) -> None:
    text = "a\x9b31m\u202eb\u2028c\x7fd"
    logging.getLogger("x").info(text, extra={"field": text})
    (line,) = stream.getvalue().split("\n")[:-1]
    assert line.isprintable()
    assert json.loads(line)["field"] == text


def test_the_servers_own_lines_are_quiet(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("of a bad request")
    assert not stream.getvalue()
