"""Writes log lines in a separate thread, because the reader of the log can be slow or stop reading.

Without this thread, a blocked write to standard error would block the event loop. All
calls, health checks and signal handlers would then have to wait.
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
"""The maximum size of the queue, in bytes. If the queue is full, new lines are dropped."""

GATHER_S = 0.05
"""The time for which lines are collected before they are written together, in seconds."""

CLOSE_S = 2.0
"""The maximum time for writing the queued lines when the process ends, in seconds."""

_BATCH_BYTES = 65536
_UNFORMATTED_BYTES = 1024  # the size for which a line counts that is not formatted yet


class LogWriter:
    """A bounded queue of lines, and a thread that writes the lines to a file descriptor.

    While lines arrive, the thread reads the queue every GATHER_S. Only the first line after
    a pause has to wake the thread. All other lines need neither a system call nor a switch
    of the interpreter lock.
    """

    def __init__(
        self,
        descriptor: int,
        notice: Callable[[int], bytes],
        capacity_bytes: int = CAPACITY_BYTES,
        gather_s: float = GATHER_S,
    ) -> None:
        """Create the queue and start the thread.

        Args:
            descriptor: the file descriptor that lines are written to. The writer does not close this
                descriptor.
            notice: the function that takes the number of dropped lines, and returns the log line that
                reports this number.
            capacity_bytes: the maximum size of the queue, in bytes.
            gather_s: the time for which lines are collected, in seconds.
        """
        self._descriptor = descriptor
        self._notice = notice
        self._capacity_bytes = capacity_bytes
        self._gather_s = gather_s
        self._lines: deque[bytes | Callable[[], bytes]] = deque()
        # Each counter is changed only by callers of put(), or only by the thread. No counter needs a lock.
        self._put_bytes = self._overflowed = 0
        self._taken_bytes = self._failed = self._reported = 0
        self._is_idle = self._is_torn = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._closing = threading.Event()
        # The process can end even if a daemon thread is blocked in a write.
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """The number of lines that were dropped because the queue was full or writing failed."""
        return self._overflowed + self._failed

    def put(self, line: bytes | Callable[[], bytes]) -> None:
        """Add a line to the queue, or drop the line if the queue is full.

        Callers must hold a lock, such as the lock of the log handler.

        Args:
            line: the line, or a function that returns it and raises no exception. The thread calls it.
        """
        size = _size_of(line)
        if self._put_bytes - self._taken_bytes + size > self._capacity_bytes or self._closing.is_set():
            self._overflowed += 1
            return
        self._put_bytes += size
        self._lines.append(line)
        if self._is_idle:
            self._is_idle = False
            self._wake.put(None)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write the queued lines within the timeout, and end the thread. Later lines are dropped."""
        self._closing.set()
        self._wake.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._is_idle = True  # set before the queue is read, so that a line added later wakes the thread
            if not self._lines and not self._closing.is_set():
                self._wake.get()
            self._is_idle = False
            self._write_lines()
            if self._closing.is_set():
                while self._lines:
                    self._write_lines()
                return
            self._closing.wait(self._gather_s)

    def _write_lines(self) -> None:
        """Write the lines that are in the queue now.

        Under load, further lines are added during each write. If the thread wrote them at once, it would
        never pause, and would take the interpreter lock for a few lines each time.
        """
        count = len(self._lines)
        while count:
            count -= self._write_batch(count)

    def _write_batch(self, count: int) -> int:
        """Write some of the next lines, and return their number."""
        batch: list[bytes] = []
        size = 0
        while len(batch) < count and size < _BATCH_BYTES:
            line = self._lines.popleft()
            batch.append(line if isinstance(line, bytes) else line())
            size += _size_of(line)
        is_written = self._write(b"".join(batch))
        self._taken_bytes += size
        if not is_written:
            self._failed += len(batch)
        elif self.dropped > self._reported:
            dropped = self.dropped
            if self._write(self._notice(dropped - self._reported)):
                self._reported = dropped
        return len(batch)

    def _write(self, data: bytes) -> bool:
        """Write complete lines. Return whether all lines were written."""
        # If the last line was only partly written, a line break separates it from the new lines.
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


def _size_of(line: bytes | Callable[[], bytes]) -> int:
    return len(line) if isinstance(line, bytes) else _UNFORMATTED_BYTES
