"""A sink that writes to standard output."""

from __future__ import annotations

import os
import select
import sys

from gateway.sinks.sink import SinkError

STANDARD_OUTPUT = 1
_NEWLINE = ord("\n")
_CLOSED = (
    "standard output is closed, so no decision could be recorded there; "
    "redirect it, or set decision_log.type to file (with decision_log.path) or none"
)


class StdoutSink:
    """Writes records to standard output."""

    is_durable = False

    def __init__(self, descriptor: int = STANDARD_OUTPUT) -> None:
        self._descriptor = descriptor
        self._is_torn = False

    def write(self, records: bytes) -> None:
        """Write all records. If a pipe accepts only some bytes, wait until the pipe accepts more bytes."""
        # After a failure in the middle of a record, the next record starts on a new line.
        left = memoryview(b"\n" + records if self._is_torn else records)
        while left:
            try:
                written = os.write(self._descriptor, left)
            except BlockingIOError:  # another process has set the shared descriptor to non-blocking mode
                select.select([], [self._descriptor], [])
            else:
                self._is_torn = left[written - 1] != _NEWLINE
                left = left[written:]

    def close(self) -> None:
        """Do nothing, because standard output stays open."""


def is_stdout_closed() -> bool:
    """Return whether standard output was closed when the process started.

    The result is the same after another file was opened with the descriptor of the closed stream.
    """
    if sys.stdout is None:
        return True
    try:
        os.fstat(STANDARD_OUTPUT)
    except OSError:
        return True
    return False


def open_stdout(_section: object) -> StdoutSink:
    """Return a sink that writes to standard output.

    Raises:
        SinkError: standard output was closed before the process started.
    """
    if is_stdout_closed():
        raise SinkError("standard output", "type", _CLOSED)
    return StdoutSink()
