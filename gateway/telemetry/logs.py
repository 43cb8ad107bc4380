"""Structured logs: one JSON object a line, secrets masked.

A line about a call has `call_id`, `trace_id` and `method`; `logging`'s `extra`
carries every other field.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from gateway.masking import redact_text

# Libraries whose own lines about a request would repeat ours, or quote what a caller sent.
_QUIET = ("aiohttp.access", "aiohttp.server")


class _MaskingFormatter(JsonFormatter):
    """Masks every text of a line, also those that came from an exception."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: _masked(value) for name, value in log_data.items()}


def configure_logs(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line to the stream, standard error by default.

    Args:
        level: name of the lowest level that is written.
        stream: where lines go.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        _MaskingFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {name: _masked(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(one) for one in value]
    return value
