"""Structured logs. Each line is one JSON object, or a readable text on a terminal. Secrets are redacted.

A line about a call contains the fields `call_id`, `trace_id` and `method`. Callers of
`logging` pass these and all other fields as `extra`. The thread that logs a line also
formats the line, because the values could change later. Only the thread of LogWriter writes
lines. It also formats the lines of log_fields(), whose values do not change: one line after
the other, so that the code stays in the processor's cache.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gateway.telemetry.log_formats import JsonFormatter, LineFormatter, TextFormatter
from gateway.telemetry.log_writer import CAPACITY_BYTES, CLOSE_S, LogWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

# The loggers of aiohttp whose lines are not written. The lines would repeat the gateway's own lines, or would
# contain data of a caller.
_QUIET = ("aiohttp.access", "aiohttp.server")

# The loggers that report their own start at level INFO. Only their warnings are of use.
_TALKATIVE = ("alembic",)

_STANDARD_ERROR = 2

_log = logging.getLogger(__name__)


class LogHandler(logging.Handler):
    """Formats records and adds the lines to the queue of a LogWriter."""

    def __init__(
        self,
        descriptor: int,
        capacity_bytes: int = CAPACITY_BYTES,
        lines: LineFormatter | None = None,
    ) -> None:
        """Create the handler, and start the LogWriter of the handler.

        Args:
            descriptor: the file descriptor that lines are written to.
            capacity_bytes: the maximum size of the queue, in bytes.
            lines: formats the lines; None for JSON.
        """
        super().__init__()
        self._lines = lines or JsonFormatter()
        self.writer = LogWriter(descriptor, self._notice, capacity_bytes)

    def emit(self, record: logging.LogRecord) -> None:
        """Add the line of a record to the queue. The method neither blocks nor raises an exception."""
        try:
            line = self._lines.encode(record)
        except Exception as error:  # noqa: BLE001 - an incorrect call of the logger must not end a call
            line = self._lines.encode(_unformatted(record, error))
        self.writer.put(line + b"\n")

    def put(
        self, logger: str, message: str, fields: Mapping[str, Any], repeated: Mapping[str, str | int]
    ) -> bool:
        """Add the line of a message at level INFO to the queue, without a record.

        The thread of the writer formats the line. Return false if a record is necessary for the format or a
        filter of this handler. The arguments are those of JsonFormatter.encode_fields().
        """
        if not isinstance(self._lines, JsonFormatter) or self.filters or self.level > logging.INFO:
            return False
        with self.lock or nullcontext():
            self.writer.put(partial(self._to_line, time.time(), logger, message, fields, repeated))
        return True

    def _to_line(
        self,
        created: float,
        logger: str,
        message: str,
        fields: Mapping[str, Any],
        repeated: Mapping[str, str | int],
    ) -> bytes:
        lines = cast("JsonFormatter", self._lines)
        try:
            return lines.encode_fields(created, logger, message, fields, repeated) + b"\n"
        except Exception as error:  # noqa: BLE001 - as in emit()
            return lines.encode(_unformatted(_record(message, {"pathname": logger}), error)) + b"\n"

    def close(self) -> None:
        """Write the queued lines within CLOSE_S."""
        self.writer.close(CLOSE_S)
        super().close()

    def _notice(self, count: int) -> bytes:
        record = _record("log lines dropped", {"count": count})
        return self._lines.encode(record) + b"\n"


def log_fields(
    logger: logging.Logger, message: str, fields: Mapping[str, Any], repeated: Mapping[str, str | int]
) -> None:
    """Log a message at level INFO. The line is the same as that of `logger.info(message, extra=...)`.

    Most of the time of `logging` is spent on finding the line of code that logs, and on a record for all
    handlers. Neither is needed if the only handler writes JSON lines.

    Args:
        logger: a logger without handlers and filters of its own.
        message: the message, which has to be one of few.
        fields: the fields with values of this line. Neither the mapping nor a value changes later.
        repeated: the fields whose values many lines have in common. The mapping does not change later.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    handlers = logging.root.handlers
    if (
        len(handlers) == 1
        and isinstance(handlers[0], LogHandler)
        and handlers[0].put(logger.name, message, fields, repeated)
    ):
        return
    logger.info(message, extra={**fields, **repeated})


def choose_format(name: str, descriptor: int, environment: Mapping[str, str]) -> LineFormatter:
    """Return the formatter of log lines.

    Args:
        name: `json`, `text`, or `auto` for a text on a terminal and JSON elsewhere.
        descriptor: the file descriptor that lines are written to.
        environment: the environment variables. NO_COLOR (https://no-color.org) and `TERM=dumb` turn off
            colors.
    """
    is_terminal = _is_terminal(descriptor)
    if name == "json" or (name == "auto" and not is_terminal):
        return JsonFormatter()
    has_no_color = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
    return TextFormatter(has_colors=is_terminal and not has_no_color)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def configure_logs(
    level: str = "INFO", descriptor: int = _STANDARD_ERROR, *, line_format: str = "json"
) -> LogHandler:
    """Configure `logging` to write all lines to a file descriptor, and return the handler.

    The function can be called again, to change the level and the format. It first writes the queued lines.

    Args:
        level: the name of the lowest level that is written.
        descriptor: the file descriptor that lines are written to.
        line_format: `json`, `text` or `auto`.
    """
    handler = LogHandler(descriptor, lines=choose_format(line_format, descriptor, os.environ))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # No log line contains these values, and `logging` would look up each of them for every record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
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
