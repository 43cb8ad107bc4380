"""The decision log: one record for each decision, through one interface to wherever records are kept.

Records are written in groups by one thread: a group is what has come while the
one before it was written. Nothing is forwarded unrecorded, unless the operator
chose to lose records rather than calls: where records are durable, a call waits
until its own is written.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gateway.errors import Code, GatewayError
from gateway.quoting import escape_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

_MODE = 0o640
_NO_FILE = "neither a regular file nor a character device; to write to a pipe, use decision_log.type: stdout"


CLOSE_S = 5.0
"""Seconds that waiting records have to be written when the gateway stops."""


class Sink(Protocol):
    """Where records are kept.

    Attributes:
        is_durable: what was written outlives this process.
    """

    is_durable: bool

    def write(self, records: bytes) -> None:
        """Keep whole records, all of them or none; runs in a thread.

        Raises:
            OSError: they cannot be kept.
        """

    def close(self) -> None:
        """Let go of what is open."""


class StdoutSink:
    """Standard output, which whoever runs the gateway collects."""

    is_durable = False

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    def write(self, records: bytes) -> None:
        """Write all; what a pipe does not take at once is written when it does."""
        left = memoryview(records)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        """Leave standard output as it is."""


class FileSink:
    """A file of JSON lines. It is opened anew once it was moved away, as log rotation does."""

    is_durable = True

    def __init__(self, path: Path, *, survives_power_loss: bool) -> None:
        """Open the file; a character device, as /dev/null, will do.

        Raises:
            OSError: it cannot be opened, or is a pipe, a socket or anything else.
        """
        self._path = path
        self._survives_power_loss = survives_power_loss
        self._descriptor = self._open()

    def write(self, records: bytes) -> None:
        """Append all; when a part does not fit, what was written of it is taken back."""
        self._follow()
        start = os.fstat(self._descriptor).st_size
        left = memoryview(records)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            if self._survives_power_loss:
                os.fsync(self._descriptor)
        except OSError:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                os.ftruncate(self._descriptor, start)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        """Open the file; without O_NONBLOCK, opening a FIFO would wait for whoever reads it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            descriptor = os.open(self._path, flags, _MODE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a FIFO that nobody reads, or a socket
                raise OSError(error.errno, _NO_FILE) from error
            raise
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
            os.close(descriptor)
            raise OSError(errno.ENXIO, _NO_FILE)
        os.set_blocking(descriptor, True)
        return descriptor

    def _follow(self) -> None:
        """Open the file that has the name now, if it is another one."""
        try:
            named, own = self._path.stat(), os.fstat(self._descriptor)
            is_own = (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino)
        except FileNotFoundError:
            is_own = False
        if not is_own:
            former, self._descriptor = self._descriptor, self._open()
            os.close(former)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record on its way to the sink, and who waits for it."""

    line: bytes
    written: asyncio.Future[None] | None


class DecisionLog:
    """Takes records and has them written, by a thread of its own: a sink may be slow, or stand still."""

    def __init__(
        self, sink: Sink | None, metrics: Metrics, *, capacity: int, when_full: Literal["refuse", "drop"]
    ) -> None:
        """Prepare.

        Args:
            sink: where records are kept; None keeps none.
            metrics: that lost records are counted in.
            capacity: records that may wait to be written.
            when_full: what happens when a record cannot be kept: its call is refused, or it is dropped.
        """
        self._sink = sink
        self._metrics = metrics
        self._capacity = capacity
        self._refuses = when_full == "refuse"
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._is_failing = False

    @property
    def is_kept(self) -> bool:
        """Whether records go anywhere."""
        return self._sink is not None

    async def write(self, record: Mapping[str, Any], deadline: float) -> None:
        """Keep a record.

        A call waits until it is written where the sink is durable, or has failed, and
        nothing may be dropped; otherwise it only has to find room among those that wait.

        Args:
            record: JSON values.
            deadline: how long a call waits for it at the latest, by the event loop's clock.

        Raises:
            GatewayError: UNAVAILABLE when it cannot be kept and may not be dropped.
        """
        if self._sink is None:
            return
        loop = asyncio.get_running_loop()
        if self._waiting >= self._capacity:
            self._lose(1, f"{self._capacity} records wait to be written")
            if self._refuses:
                raise _unrecorded()
            return
        text = escape_json(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
        line = text.encode(errors="replace") + b"\n"
        # Where the last write failed, each call tries for itself: it is refused, or finds the sink mended.
        waits = self._refuses and (self._sink.is_durable or self._is_failing)
        written = loop.create_future() if waits else None
        self._put(_Waiting(line, written), self._sink, loop)
        if written is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    await written
            except TimeoutError as error:
                raise _unrecorded() from error

    async def close(self) -> None:
        """Write what waits, as far as that takes no longer than CLOSE_S, then let go of the sink."""
        if self._sink is None:
            return
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, CLOSE_S)
            if self._thread.is_alive():
                self._lose(self._waiting, "still waiting to be written when the gateway stopped")
                return
        self._sink.close()

    def _put(self, waiting: _Waiting, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting += 1
        self._queue.put(waiting)
        if self._thread is None:
            # A daemon: one that stands still in a write does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, args=(sink, loop), daemon=True)
            self._thread.start()

    def _run(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        is_open = True
        while is_open:
            taken = [self._queue.get()]
            while not self._queue.empty():
                taken.append(self._queue.get())
            is_open = None not in taken
            group = [one for one in taken if one is not None]
            failure = _write(sink, b"".join(one.line for one in group)) if group else None
            with suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(self._settle, group, failure)

    def _settle(self, group: list[_Waiting], failure: str | None) -> None:
        self._waiting -= len(group)
        if failure is None:
            self._is_failing = False
        elif group:
            self._lose(len(group), failure)
        for one in group:
            if one.written is None or one.written.done():  # its caller went away
                continue
            if failure is None:
                one.written.set_result(None)
            else:
                one.written.set_exception(_unrecorded())

    def _lose(self, count: int, reason: str) -> None:
        self._metrics.record_lost_records(count)
        if not self._is_failing:  # once, not with each call
            self._is_failing = True
            consequence = "calls are refused" if self._refuses else "records are lost"
            _log.error("decision log cannot be written", extra={"reason": reason, "so": consequence})


def _write(sink: Sink, records: bytes) -> str | None:
    """Write a group; return why it could not be written."""
    try:
        sink.write(records)
    except Exception as error:  # noqa: BLE001 - whatever it is, the calls that wait have to be told
        return (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return None


def _unrecorded() -> GatewayError:
    return GatewayError(
        Code.UNAVAILABLE,
        "DECISION_NOT_RECORDED",
        "the decision could not be recorded, so nothing was forwarded; try again later",
    )
