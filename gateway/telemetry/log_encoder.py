"""Encodes log records for OTLP as the bytes of an ExportLogsServiceRequest.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto

A record has the same fields as the line on standard error, with the same secrets redacted.
"""

from __future__ import annotations

import logging
import re
import struct
from functools import lru_cache
from typing import Any

from gateway.redaction import redact_text, redact_value
from gateway.telemetry.log_formats import OWN_ATTRIBUTES, to_json
from gateway.telemetry.otlp_values import CACHED, add_attributes, encode_value, field, varint

# https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
_SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
_TIMES = struct.Struct("<BQBQ")
_TRACE_ID = re.compile("[0-9a-f]{32}")


def snapshot_record(record: logging.LogRecord) -> logging.LogRecord:
    """Fix the texts of a record that could change later, and release its exception. Return the record.

    The exception refers to the frames of its traceback, with all their variables.
    """
    copy = logging.makeLogRecord(vars(record))
    copy.msg, copy.args = record.getMessage(), None
    if record.exc_info:
        error = record.exc_info[1]
        facts: dict[str, str] = (
            {}
            if error is None
            else {
                "exception.type": type(error).__qualname__,
                "exception.message": str(error),
                "exception.stacktrace": logging.Formatter().formatException(record.exc_info),
            }
        )
        copy.exc_info = None
        vars(copy).update(facts)
    return copy


def encode_record(record: logging.LogRecord) -> bytes:
    """Return the encoding of a log record, as the field `log_records` of the message ScopeLogs."""
    fields: dict[str, Any] = {"logger": record.name}
    trace_id = ""
    for name, value in vars(record).items():
        if name == "trace_id" and isinstance(value, str) and _TRACE_ID.fullmatch(value):
            trace_id = value
        elif name not in OWN_ATTRIBUTES and value is not None:
            shown = redact_value(to_json(value), name)
            fields[name] = _to_utf8(shown) if isinstance(shown, str) else shown
    time_ns = int(record.created * 1e9)
    parts = [
        _TIMES.pack(0x09, time_ns, 0x59, time_ns),
        _encode_severity(record.levelname),
        field(b"\x2a", encode_value(_to_utf8(redact_text(str(record.msg))))),
    ]
    add_attributes(parts, b"\x32", fields)
    if trace_id:
        parts += b"\x4a\x10", bytes.fromhex(trace_id)
    return field(b"\x12", b"".join(parts))


def _to_utf8(text: str) -> str:
    """Return a text without unpaired surrogates, which UTF-8 cannot represent."""
    return text.encode(errors="replace").decode()


@lru_cache(CACHED)
def _encode_severity(level: str) -> bytes:
    return b"\x10" + varint(_SEVERITIES.get(level, 0)) + field(b"\x1a", level.encode())
