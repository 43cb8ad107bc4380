"""Standard output as a sink: whoever runs the gateway collects it."""

from __future__ import annotations

import os

from gateway.sinks.sink import SinkError
from gateway.standard_streams import STANDARD_OUTPUT, is_stdout_closed

_CLOSED = (
    "standard output is closed, so no decision could be recorded there; "
    "redirect it, or set decision_log.type to file (with decision_log.path) or none"
)


class StdoutSink:
    """Writes records to standard output."""

    is_durable = False

    def __init__(self, descriptor: int = STANDARD_OUTPUT) -> None:
        self._descriptor = descriptor

    def write(self, records: bytes) -> None:
        """Write all; where a pipe takes only a part, the rest follows when the pipe takes more."""
        left = memoryview(records)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        """Leave standard output as it is."""


def open_stdout(_section: object) -> StdoutSink:
    """Return the sink.

    Raises:
        SinkError: standard output was closed before the process started.
    """
    if is_stdout_closed():
        raise SinkError("standard output", "type", _CLOSED)
    return StdoutSink()
