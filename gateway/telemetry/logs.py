"""Structured logs. Each line is one JSON object, in which secrets are redacted.

A line about a call contains the fields `call_id`, `trace_id` and `method`. Callers of
`logging` pass these and all other fields as `extra`. The thread that logs a line also
formats the line, because the values could change later. Formatting in another thread would
not be faster, because of the interpreter lock. Only the thread of LogWriter writes lines.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from gateway.quoting import encode_json
from gateway.redaction import redact_text, redact_value
from gateway.telemetry.log_writer import CAPACITY_BYTES, CLOSE_S, LogWriter

if TYPE_CHECKING:
    from types import TracebackType

# The loggers of aiohttp whose lines are not written. The lines would repeat the gateway's own lines, or would
# contain data of a caller.
_QUIET = ("aiohttp.access", "aiohttp.server")

_STANDARD_ERROR = 2
# The attributes of every record. All other attributes of a record were passed as `extra`.
_OWN = frozenset([*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"])

_log = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON. All texts, including the texts of exceptions, are redacted."""

    def __init__(self) -> None:
        super().__init__()
        self._second = -1
        self._stamp = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the log line for a record, without a line break at the end."""
        return self.encode(record).decode()

    def encode(self, record: logging.LogRecord) -> bytes:
        """Return the log line for a record in UTF-8, without a line break at the end."""
        fields: dict[str, Any] = {
            "time": self._time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _OWN:
                fields[name] = redact_value(_to_json(value), name)
        if record.exc_info:
            fields["exc_info"] = redact_text(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack_info"] = redact_text(record.stack_info)
        return encode_json(fields, in_ascii=True)

    def _time(self, created: float) -> str:
        second = int(created)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{min(round((created - second) * 1e6), 999_999):06}Z"


class LogHandler(logging.Handler):
    """Formats records and adds the lines to the queue of a LogWriter."""

    def __init__(self, descriptor: int, capacity_bytes: int = CAPACITY_BYTES) -> None:
        """Create the handler, and start the LogWriter of the handler.

        Args:
            descriptor: the file descriptor that lines are written to.
            capacity_bytes: the maximum size of the queue, in bytes.
        """
        super().__init__()
        self.formatter: JsonFormatter = JsonFormatter()
        self.writer = LogWriter(descriptor, self._notice, capacity_bytes)

    def emit(self, record: logging.LogRecord) -> None:
        """Add the line of a record to the queue. The method neither blocks nor raises an exception."""
        try:
            line = self.formatter.encode(record)
        except Exception as error:  # noqa: BLE001 - an incorrect call of the logger must not end a call
            line = self.formatter.encode(_unformatted(record, error))
        self.writer.put(line + b"\n")

    def close(self) -> None:
        """Write the queued lines within CLOSE_S."""
        self.writer.close(CLOSE_S)
        super().close()

    def _notice(self, count: int) -> bytes:
        record = _record("log lines dropped", {"count": count})
        return JsonFormatter().encode(record) + b"\n"


def configure_logs(level: str = "INFO", descriptor: int = _STANDARD_ERROR) -> LogHandler:
    """Configure `logging` to write all lines to a file descriptor, and return the handler.

    Args:
        level: the name of the lowest level that is written.
        descriptor: the file descriptor that lines are written to.
    """
    handler = LogHandler(descriptor)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # No log line contains these values, and `logging` would look up each of them for every record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return handler


def capture_other_output() -> None:
    """Log the warnings and uncaught exceptions of Python, and turn off the log of gRPC.

    By default, Python writes warnings and exceptions as plain text to standard error. The core
    of gRPC writes plain text from its own threads, and these threads block if nobody reads the
    text. The log of gRPC is therefore off, unless the environment variable GRPC_VERBOSITY is set.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_thread_exception


def dropped_lines() -> int:
    """Return the number of log lines that this process has dropped since its start."""
    handlers = logging.getLogger().handlers
    return sum(one.writer.dropped for one in handlers if isinstance(one, LogHandler))


def _log_uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _log.critical("uncaught exception", exc_info=error)


def _log_unraisable(raised: sys.UnraisableHookArgs) -> None:
    _log.error("exception ignored", exc_info=raised.exc_value)


def _log_thread_exception(raised: threading.ExceptHookArgs) -> None:
    if not isinstance(raised.exc_value, SystemExit):  # the normal way to end a thread
        _log.error("uncaught exception in a thread", exc_info=raised.exc_value)


def _record(message: str, fields: dict[str, Any]) -> logging.LogRecord:
    own = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": message}
    return logging.makeLogRecord(own | fields)


def _unformatted(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    """Return the record that is logged instead of a record that cannot be formatted."""
    place = f"{record.pathname}:{record.lineno}"
    return _record("log line cannot be formatted", {"place": place, "error": type(error).__name__})


def _to_json(value: Any) -> Any:
    """Return a copy of a field's value that JSON can represent."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(name): _to_json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_to_json(one) for one in value]
    return str(value)
