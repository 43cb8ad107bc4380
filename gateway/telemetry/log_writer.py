"""Writes log lines from a thread of its own: whoever reads them may be slow, or stop reading.

A blocked write to standard error would otherwise block the event loop and with
it every call, the health checks and the handling of signals.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY_BYTES = 4 * 1024 * 1024
"""Bytes of lines that may wait to be written; further lines are dropped."""

GATHER_S = 0.02
"""Seconds that lines are gathered before they are written together."""

CLOSE_S = 2.0
"""Seconds that waiting lines have to be written when the process ends."""

_BATCH_BYTES = 65536


class LogWriter:
    """A bounded queue of lines, and the thread that writes them to a file descriptor.

    While lines keep coming, the thread looks for them by itself every GATHER_S: only
    the first line after a pause has to wake it, so a line costs no system call and no
    hand-over of the interpreter lock.
    """

    def __init__(
        self,
        descriptor: int,
        notice: Callable[[int], bytes],
        capacity_bytes: int = CAPACITY_BYTES,
        gather_s: float = GATHER_S,
    ) -> None:
        """Start the thread.

        Args:
            descriptor: where lines are written; it stays open.
            notice: makes the line that says how many lines were dropped.
            capacity_bytes: of the lines that may wait.
            gather_s: how long lines are gathered, in seconds.
        """
        self._descriptor = descriptor
        self._notice = notice
        self._capacity_bytes = capacity_bytes
        self._gather_s = gather_s
        self._lines: deque[bytes] = deque()
        # Each counter has one writer, so none needs a lock: those who put lines, or the thread.
        self._put_bytes = self._overflowed = 0
        self._taken_bytes = self._failed = self._reported = 0
        self._is_idle = self._is_torn = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._closing = threading.Event()
        # A daemon: one that is blocked in a write does not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were dropped since the start: the queue was full, or writing failed."""
        return self._overflowed + self._failed

    def put(self, line: bytes) -> None:
        """Queue a line, or drop it when the queue is full. Callers take turns, as under a handler's lock."""
        waiting = self._put_bytes - self._taken_bytes
        if waiting + len(line) > self._capacity_bytes or self._closing.is_set():
            self._overflowed += 1
            return
        self._put_bytes += len(line)
        self._lines.append(line)
        if self._is_idle:
            self._is_idle = False
            self._bell.put(None)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, as far as that takes no longer than the timeout; later lines are dropped."""
        self._closing.set()
        self._bell.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._is_idle = True  # before the look at the queue: who adds a line after it rings
            if not self._lines and not self._closing.is_set():
                self._bell.get()
            self._is_idle = False
            while self._lines:
                self._write_batch()
            if self._closing.is_set():
                return
            self._closing.wait(self._gather_s)

    def _write_batch(self) -> None:
        batch, size = [], 0
        while self._lines and size < _BATCH_BYTES:
            line = self._lines.popleft()
            batch.append(line)
            size += len(line)
        is_written = self._write(b"".join(batch))
        self._taken_bytes += size
        if not is_written:
            self._failed += len(batch)
        elif self.dropped > self._reported:
            dropped = self.dropped
            if self._write(self._notice(dropped - self._reported)):
                self._reported = dropped

    def _write(self, data: bytes) -> bool:
        """Write whole lines; return whether all of them were written."""
        # After a part of a line, the next one begins on a line of its own.
        data = b"\n" + data if self._is_torn else data
        written = 0
        try:
            while written < len(data):
                try:
                    written += os.write(self._descriptor, memoryview(data)[written:])
                except BlockingIOError:  # another process that shares the descriptor made it non-blocking
                    select.select([], [self._descriptor], [])
                else:
                    self._is_torn = data[written - 1 : written] != b"\n"
        except OSError:
            return False
        return True
