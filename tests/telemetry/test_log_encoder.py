"""Log records in the wire format of OTLP: what the official library reads."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from gateway.telemetry.log_encoder import encode_record, snapshot_record
from tests.collectors import attributes_of

TRACE = "2f61abc5ca4e700697653e87624dca38"


def make(message: str = "responded", level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    own = {"name": "gateway.x", "levelno": level, "levelname": logging.getLevelName(level), "msg": message}
    return logging.makeLogRecord(own | {"created": 1796000252.5} | fields)


def encode(record: logging.LogRecord) -> LogRecord:
    (encoded,) = ScopeLogs.FromString(encode_record(snapshot_record(record))).log_records
    return encoded


def test_a_record_has_time_severity_body_and_attributes() -> None:
    record = encode(
        make(trace_id=TRACE, status=403, duration_ms=3.9, caller_id="ci", groups=["a"], none=None)
    )
    assert record.time_unix_nano == record.observed_time_unix_nano == 1796000252500000000
    assert (record.severity_number, record.severity_text) == (9, "INFO")
    assert record.body.string_value == "responded"
    assert record.trace_id.hex() == TRACE
    assert attributes_of(record) == {
        "logger": "gateway.x", "status": 403, "duration_ms": 3.9, "caller_id": "ci", "groups": ["a"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("level", "number"), [("DEBUG", 5), ("WARNING", 13), ("ERROR", 17), ("CRITICAL", 21)]
)
def test_levels_are_those_of_the_data_model(level: str, number: int) -> None:
    assert encode(make(level=getattr(logging, level))).severity_number == number


def test_secrets_are_redacted() -> None:
    record = encode(
        make(
            "token=canary",
            link="https://a/b?token=canary",
            password="canary",
            deep={"a": ["t1.canarycanary"]},
        )
    )
    assert "canary" not in str(record)


def test_an_exception_becomes_attributes_and_is_released() -> None:
    given = make("call failed")
    try:
        int("password=canary")
    except ValueError:
        given.exc_info = sys.exc_info()
    kept = snapshot_record(given)
    assert kept.exc_info is None
    assert given.exc_info is not None  # another handler needs it
    shown = attributes_of(encode(given))
    assert shown["exception.type"] == "ValueError"
    assert shown["exception.stacktrace"].startswith("Traceback")
    assert "canary" not in str(shown)


def test_a_trace_id_of_another_form_is_an_attribute() -> None:
    record = encode(make(trace_id="nonsense"))
    assert record.trace_id == b""
    assert attributes_of(record)["trace_id"] == "nonsense"


def test_text_that_is_not_unicode_is_sent() -> None:
    record = encode(make("a\ud800", caller_id="b\ud800"))
    assert (record.body.string_value, attributes_of(record)["caller_id"]) == ("a?", "b?")
