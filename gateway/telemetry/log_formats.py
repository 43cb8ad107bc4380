"""The two forms of a log line: JSON, and a readable form for a terminal.

In both forms, all texts are redacted, including the texts of exceptions.
"""

from __future__ import annotations

import logging
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from gateway.quoting import encode_json, escape_line
from gateway.redaction import is_identifier, is_secret_name, redact_text, redact_value

if TYPE_CHECKING:
    from collections.abc import Mapping

# The attributes of every record. All other attributes of a record were passed as `extra`.
OWN_ATTRIBUTES = frozenset([*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"])
"""The attributes that every log record has. The other attributes are the fields of the log line."""

# The fields with few values. Their encodings are cached, because they are in the line of every call.
_REPEATED = frozenset(
    {
        "http_method", "route", "method", "status", "code", "outcome", "decision", "reason",
        "caller_kind", "caller_id", "caller_address",
    }
)  # fmt: skip
_CACHED = 1024  # maximum number of entries in each cache
_MAX_CACHED_LENGTH = 256  # maximum number of characters of a cached text
_LAST_US = 999_999  # the last microsecond of a second
_MAX_KEPT_LENGTH = 1024  # maximum number of characters of fields that are kept together

_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_RED, _GREEN, _YELLOW, _CYAN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"
_LEVEL_COLORS = {"DEBUG": _CYAN, "INFO": _GREEN, "WARNING": _YELLOW, "ERROR": _RED, "CRITICAL": _BOLD + _RED}
_OUTCOME_COLORS = {"ok": _GREEN, "error": _RED}
_QUOTED = frozenset(' "=\\')


class LineFormatter(Protocol):
    """Formats a record as a log line."""

    def encode(self, record: logging.LogRecord) -> bytes:
        """Return the log line for a record in UTF-8, without a line break at the end."""
        ...


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._stamp = (-1, "")  # a second, and its text; in one attribute, because two threads format lines
        self._kept: dict[tuple[str | int, ...], str] = {}  # the encodings of repeated fields

    def format(self, record: logging.LogRecord) -> str:
        """Return the log line for a record, without a line break at the end."""
        return self.encode(record).decode()

    def encode(self, record: logging.LogRecord) -> bytes:
        """Return the log line for a record in UTF-8, without a line break at the end."""
        text = record.getMessage()
        head = _make_head if record.args or len(text) > _MAX_CACHED_LENGTH else _keep_head
        further = {name: value for name, value in vars(record).items() if name not in OWN_ATTRIBUTES}
        if record.exc_info:
            further["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            further["stack_info"] = record.stack_info
        return self._encode(record.created, head(record.levelname, record.name, text), further)

    def encode_fields(
        self,
        created: float,
        logger: str,
        message: str,
        fields: Mapping[str, Any],
        repeated: Mapping[str, str | int],
    ) -> bytes:
        """Return the log line at level INFO for a message and its fields.

        The result is the same as for a record. Only one thread may call this method.

        Args:
            created: the time when the message was logged, in seconds since the epoch.
            logger: the name of the logger.
            message: the message, which has to be one of few.
            fields: the fields with values of this line.
            repeated: the fields whose values many lines have in common.
        """
        key = (*repeated, *repeated.values())
        encoded = self._kept.get(key)
        if encoded is None:
            encoded = "".join([_make_field(name, value) for name, value in repeated.items()])
            if len(encoded) <= _MAX_KEPT_LENGTH:
                if len(self._kept) >= _CACHED:
                    self._kept.clear()
                self._kept[key] = encoded
        return self._encode(created, _keep_head("INFO", logger, message), fields, encoded)

    def _encode(self, created: float, head: str, fields: Mapping[str, Any], encoded: str = "") -> bytes:
        parts = ['{"time":"', self._time(created), head]
        for name, value in fields.items():
            kind = type(value)
            if kind is str:
                key, is_secret = _keep_key(name)
                if is_identifier(value) and not is_secret:
                    parts += key, '"', value, '"'
                elif name in _REPEATED and len(value) <= _MAX_CACHED_LENGTH:
                    parts.append(_keep_field(name, value))
                else:
                    parts.append(_make_field(name, value))
            elif kind is int or (kind is float and math.isfinite(value)):
                parts += _keep_key(name)[0], repr(value)
            else:
                parts.append(_make_field(name, to_json(value)))
        parts += encoded, "}"
        return "".join(parts).encode()

    def _time(self, created: float) -> str:
        second = int(created)
        known, stamp = self._stamp
        if second != known:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._stamp = (second, stamp)
        microseconds = int((created - second) * 1e6 + 0.5)
        return f'{stamp}.{min(microseconds, _LAST_US):06}Z",'


class TextFormatter(logging.Formatter):
    """Formats a record as a line that a person reads. The lines of an exception follow, indented."""

    def __init__(self, *, has_colors: bool) -> None:
        """Initialize the formatter.

        Args:
            has_colors: whether the line contains the escape sequences of colors.
        """
        super().__init__()
        self._has_colors = has_colors

    def format(self, record: logging.LogRecord) -> str:
        """Return the log line for a record, without a line break at the end."""
        milliseconds = min(int(record.created % 1 * 1e3), 999)
        stamp = f"{time.strftime('%H:%M:%S', time.gmtime(record.created))}.{milliseconds:03}Z"
        level = f"{record.levelname:<8}"
        parts = [
            self._color(_DIM, stamp),
            self._color(_LEVEL_COLORS.get(record.levelname, ""), level)
            + self._color(_BOLD, escape_line(redact_text(record.getMessage()))),
        ]
        for name, value in vars(record).items():
            if name not in OWN_ATTRIBUTES and value not in ("", None):
                shown = _show(redact_value(to_json(value), name))
                color = _OUTCOME_COLORS.get(shown, _YELLOW) if name == "outcome" else ""
                parts.append(self._color(_DIM, f"{escape_line(name)}=") + self._color(color, shown))
        return "\n".join([" ".join(parts), *self._trace(record)])

    def encode(self, record: logging.LogRecord) -> bytes:
        """Return the log line for a record in UTF-8, without a line break at the end."""
        return self.format(record).encode(errors="replace")

    def _trace(self, record: logging.LogRecord) -> list[str]:
        text = self.formatException(record.exc_info) if record.exc_info else ""
        text = "\n".join(filter(None, (text, record.stack_info)))
        return [f"  {escape_line(line)}" for line in redact_text(text).splitlines()]

    def _color(self, color: str, text: str) -> str:
        return f"{color}{text}{_RESET}" if color and self._has_colors else text


def to_json(value: Any) -> Any:
    """Return a copy of a field's value that JSON can represent."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(name): to_json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(one) for one in value]
    return str(value)


def _make_head(level: str, logger: str, text: str) -> str:
    fields = {"level": level, "logger": logger, "message": redact_text(text)}
    return encode_json(fields, in_ascii=True)[1:-1].decode()


def _make_field(name: str, value: Any) -> str:
    return _keep_key(name)[0] + encode_json(redact_value(value, name), in_ascii=True).decode()


@lru_cache(_CACHED)
def _keep_key(name: str) -> tuple[str, bool]:
    """Return the encoding of the name of a field, and whether the name shows that the value is a secret."""
    return f",{encode_json(name, in_ascii=True).decode()}:", is_secret_name(name)


_keep_head = lru_cache(_CACHED)(_make_head)
_keep_field = lru_cache(_CACHED)(_make_field)


def _show(value: Any) -> str:
    """Return a value as a text on one line, in quotes if its end would not be clear without them."""
    if not isinstance(value, str):
        return escape_line(encode_json(value).decode())
    if value.isprintable() and not _QUOTED.intersection(value):
        return value
    return escape_line(encode_json(value).decode())
