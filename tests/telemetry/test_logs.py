"""Log lines as they are written."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.telemetry import Metrics, configure_logs, log_fields
from gateway.telemetry.log_formats import JsonFormatter
from gateway.telemetry.logs import LogHandler
from tests.conftest import ROOT

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """Closes the log, and gives the lines that were written."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = []
    path = tmp_path / "log"
    with path.open("wb") as file:
        handler = configure_logs("INFO", file.fileno())

        def read() -> list[dict[str, Any]]:
            handler.close()
            return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]

        yield read
        handler.close()
    root.handlers[:], root.level = before, level


def test_a_line_is_one_json_object(lines: Lines) -> None:
    logging.getLogger("x").info("two\nlines", extra={"call_id": "1", "number": 2})
    (found,) = lines()
    assert found["message"] == "two\nlines"
    assert (found["level"], found["logger"], found["call_id"], found["number"]) == ("INFO", "x", "1", 2)


def test_times_are_in_utc_with_microseconds() -> None:
    formatter = JsonFormatter()
    record = logging.makeLogRecord({"msg": "x"})
    for created, expected in [
        (1764000000.000001, "2025-11-24T16:00:00.000001Z"),
        (1764000000.75, "2025-11-24T16:00:00.750000Z"),
        (1764000001.0, "2025-11-24T16:00:01.000000Z"),
    ]:
        record.created = created
        assert json.loads(formatter.format(record))["time"] == expected


def test_secrets_are_masked_wherever_they_stand(lines: Lines) -> None:
    link = "https://storage.yandexcloud.net/b/k.iso?X-Amz-Signature=deadbeef"
    log = logging.getLogger("x")
    try:
        int(link)
    except ValueError as error:
        log.exception(
            "at %s",
            link,
            extra={
                "list": [link],
                "map": {link: link},
                "set": {link},
                "auth": "Bearer t1.abcdefghijkl",
                "error": error,
            },
            stack_info=True,
        )
    text = json.dumps(lines())
    assert "invalid literal" in text
    assert "deadbeef" not in text
    assert "abcdefghijkl" not in text


def test_a_line_shows_what_was_so_when_it_was_logged(lines: Lines) -> None:
    found, fact = ["before"], {"is": ["before"]}
    logging.getLogger("x").info("x", extra={"found": found, "fact": fact})
    found.append("after")
    fact["is"].append("after")
    (line,) = lines()
    assert (line["found"], line["fact"]) == (["before"], {"is": ["before"]})


def test_whatever_a_field_holds_the_line_is_json(lines: Lines) -> None:
    class Colour(Enum):
        RED = 1

    fields = {"nan": float("nan"), "bytes": b"\xff", "enum": Colour.RED, "keys": {1: 2}, "none": None}
    logging.getLogger("x").info("\x7f\x9b\u202e\u2028", extra=fields | {"is": True, "pi": 3.5})
    (line,) = lines()
    assert (line["nan"], line["bytes"], line["enum"]) == ("nan", "b'\\xff'", "Colour.RED")
    assert (line["keys"], line["none"], line["is"], line["pi"]) == ({"1": 2}, None, True, 3.5)


def test_no_character_acts_on_a_terminal() -> None:
    text = JsonFormatter().format(logging.makeLogRecord({"msg": "\x00\x1b\x7f\x9b\u202e\u2028\ud800 я"}))
    assert text.isascii()
    assert text.isprintable()


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("broken", ["argument", "field"])
def test_a_wrong_use_of_the_logger_is_logged(lines: Lines, broken: str) -> None:
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one, LogHandler)]
    fields: dict[str, Any] = {"msg": "%d", "args": ("one",)} if broken == "argument" else {"x": Broken()}
    handler.handle(logging.makeLogRecord(fields | {"pathname": __file__}))
    (line,) = lines()
    assert line["message"] == "log line cannot be formatted"
    assert line["place"].startswith(__file__)
    assert line["error"] == ("TypeError" if broken == "argument" else "RuntimeError")


def test_lines_of_many_threads_come_out_whole(lines: Lines) -> None:
    log = logging.getLogger("x")

    def run(name: str) -> None:
        for number in range(200):
            log.info("x", extra={"thread_name": name, "number": number})

    threads = [threading.Thread(target=run, args=(str(name),)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines()
    assert len(found) == 800
    for name in "0123":  # and in their order
        assert [line["number"] for line in found if line["thread_name"] == name] == list(range(200))


def test_the_servers_own_lines_are_quiet(lines: Lines) -> None:
    logging.getLogger("aiohttp.server").error("of a bad request")
    assert not lines()


def test_dropped_lines_are_in_the_metrics(lines: Lines) -> None:
    metrics = Metrics(Resource.create())
    assert b"gateway_log_dropped_total 0.0" in metrics.expose()
    lines()  # what is logged from here on is dropped
    logging.getLogger("x").info("late")
    assert b"gateway_log_dropped_total 1.0" in metrics.expose()
    metrics.shutdown()


def test_what_was_dropped_is_told_of() -> None:
    reading, writing = os.pipe()
    handler = LogHandler(writing, capacity_bytes=1000)
    for _ in range(2000):  # more than the pipe takes, with the queue
        handler.emit(logging.makeLogRecord({"msg": "x", "text": "y" * 100}))
    dropped = handler.writer.dropped
    assert dropped

    def close() -> None:
        handler.close()
        os.close(writing)

    threading.Thread(target=close).start()
    with os.fdopen(reading, encoding="ascii") as pipe:
        found = [json.loads(line) for line in pipe]
    told = [line for line in found if line["message"] == "log lines dropped"]
    assert sum(line["count"] for line in told) == dropped
    assert {line["level"] for line in told} == {"WARNING"}
    assert len(found) - len(told) + dropped == 2000


def run_program(program: str) -> list[dict[str, Any]]:
    """Run a program whose log goes to its standard error; return the lines there, all of JSON."""
    begin = """
        import asyncio, gc, logging, sys, threading, warnings
        from gateway.telemetry import capture_other_output, configure_logs
        configure_logs()
        capture_other_output()
    """
    text = textwrap.dedent(begin) + textwrap.dedent(program)
    words = [sys.executable, "-W", "default", "-c", text]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return [json.loads(line) for line in done.stderr.splitlines()]


PROGRAMS = {
    "a line": ("logging.getLogger('x').warning('said')", "said"),
    "a warning": ("warnings.warn('said', stacklevel=1)", "UserWarning: said"),
    "an uncaught exception": ("raise ValueError('said')", "ValueError: said"),
    "in a thread": (
        """
        def run():
            raise ValueError("said")
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        """,
        "ValueError: said",
    ),
    "in a destructor": (
        """
        class Thing:
            def __del__(self):
                raise ValueError("said")
        Thing()
        """,
        "ValueError: said",
    ),
    "in a task": (
        """
        async def fail():
            raise ValueError("said")
        async def run():
            task = asyncio.ensure_future(fail())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            del task
            gc.collect()
        import uvloop
        uvloop.run(run())
        """,
        "ValueError: said",
    ),
    "in a callback": (
        """
        async def run():
            asyncio.get_running_loop().call_soon(int, "said")
            await asyncio.sleep(0.01)
        import uvloop
        uvloop.run(run())
        """,
        "invalid literal for int() with base 10: 'said'",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_everything_that_python_writes_to_standard_error_is_json(name: str) -> None:
    program, said = PROGRAMS[name]
    (line,) = run_program(program)
    assert said in line["message"] + line.get("exc_info", "")
    assert line["level"] in {"WARNING", "ERROR", "CRITICAL"}


def test_a_thread_that_ends_by_system_exit_says_nothing() -> None:
    assert not run_program("t = threading.Thread(target=sys.exit); t.start(); t.join()")


OWN_FIELDS: list[dict[str, Any]] = [
    {"call_id": "1", "trace_id": "0a" * 16, "duration_ms": 1.25},
    {"token": "0a" * 16, "key": "0a"},
    {"error": "a\nline\u202e", "link": "https://a/b?token=canary", "observed": ["would-deny"], "none": None},
    {},
]
REPEATED_FIELDS: list[dict[str, str | int]] = [
    {"http_method": "POST", "status": 200, "code": "OK", "caller_id": "s\u00e9"},
    {"status": 1, "route": "x" * 300, "password": "canary"},
    {},
]


def keep_one_handler() -> LogHandler:
    """Remove the handlers that pytest adds for each test, as in a process that serves."""
    root = logging.getLogger()
    (handler,) = [one for one in root.handlers if isinstance(one, LogHandler)]
    root.handlers[:] = [handler]
    return handler


@pytest.mark.parametrize("own", OWN_FIELDS)
@pytest.mark.parametrize("repeated", REPEATED_FIELDS)
def test_a_line_without_a_record_is_that_of_a_record(
    lines: Lines, own: dict[str, Any], repeated: dict[str, str | int], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_one_handler()
    logger, records = logging.getLogger("x"), []
    monkeypatch.setattr(LogHandler, "emit", lambda _, record: records.append(record))
    log_fields(logger, "responded", own, repeated)
    assert not records
    monkeypatch.undo()
    monkeypatch.setattr(LogHandler, "put", lambda *_: False)
    log_fields(logger, "responded", own, repeated)
    first, second = lines()
    assert first.pop("time") <= second.pop("time")
    assert first == second
    assert "canary" not in repr(first)
    assert first.get("token", "…") == "…"


def test_fields_below_the_level_are_not_logged(lines: Lines) -> None:
    keep_one_handler()
    logging.getLogger().setLevel(logging.WARNING)
    log_fields(logging.getLogger("x"), "responded", {}, {})
    assert lines() == []


def test_a_further_handler_gets_a_record(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    keep_one_handler()
    logging.getLogger().addHandler(caplog.handler)
    log_fields(logging.getLogger("x"), "responded", {"call_id": "1"}, {"status": 200})
    (record,) = [vars(one) for one in caplog.records]
    assert (record["message"], record["call_id"], record["status"], record["levelname"]) == (
        "responded", "1", 200, "INFO"
    )  # fmt: skip
    assert [one["call_id"] for one in lines()] == ["1"]


def test_a_filter_of_the_handler_is_asked(lines: Lines) -> None:
    keep_one_handler().addFilter(lambda record: record.getMessage() != "responded")
    log_fields(logging.getLogger("x"), "responded", {}, {})
    assert lines() == []


def test_libraries_that_report_their_start_are_quiet(lines: Lines) -> None:
    logger = logging.getLogger("alembic.runtime.plugins")
    logger.info("setup plugin")
    logger.warning("a problem")
    assert [line["message"] for line in lines()] == ["a problem"]


def test_fields_that_cannot_be_formatted_are_reported(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_one_handler()

    def fail(*_: object) -> bytes:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(JsonFormatter, "encode_fields", fail)
    log_fields(logging.getLogger("x"), "responded", {"a": 1}, {})
    logging.getLogger("x").info("next")
    first, second = lines()
    assert (first["message"], first["error"]) == ("log line cannot be formatted", "RuntimeError")
    assert second["message"] == "next"
