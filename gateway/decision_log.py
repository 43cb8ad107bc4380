"""The decision log: one record for each decision, through one interface to wherever records are kept.

Records are written in groups by one thread: a group is what has come while the
one before it was written. A call waits for its record, so nothing is forwarded
unrecorded, unless the operator chose to lose records rather than calls.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

_MODE = 0o640


class Sink(Protocol):
    """Where records are kept."""

    def write(self, records: bytes) -> None:
        """Keep whole records, all of them or none; runs in a thread.

        Raises:
            OSError: they cannot be kept.
        """

    def close(self) -> None:
        """Let go of what is open."""


class StdoutSink:
    """Standard output, which whoever runs the gateway collects."""

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

    def __init__(self, path: Path, *, survives_power_loss: bool) -> None:
        """Open the file; OSError when that is not possible."""
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
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)

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


class DecisionLog:
    """Takes records and has them written."""

    def __init__(
        self, sink: Sink | None, metrics: Metrics, *, capacity: int, when_full: Literal["refuse", "drop"]
    ) -> None:
        """Prepare.

        Args:
            sink: where records are kept; None keeps none.
            metrics: that lost records are counted in.
            capacity: records that may wait to be written.
            when_full: what happens to a record that cannot be kept: its call is refused, or it is dropped.
        """
        self._sink = sink
        self._metrics = metrics
        self._capacity = capacity
        self._refuses = when_full == "refuse"
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._is_failing = False

    @property
    def is_kept(self) -> bool:
        """Whether records go anywhere."""
        return self._sink is not None

    async def write(self, record: Mapping[str, Any]) -> None:
        """Keep a record: return once it is written, or at once when records may be dropped.

        Raises:
            GatewayError: UNAVAILABLE when it cannot be kept and may not be dropped.
        """
        if self._sink is None:
            return
        if len(self._waiting) >= self._capacity:
            self._lose(1, f"{self._capacity} records wait to be written")
            if self._refuses:
                raise _unrecorded()
            return
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waiting(self._sink))
        if self._refuses:
            await written

    async def close(self) -> None:
        """Write what waits, then let go of the sink."""
        if self._writer is not None:
            await self._writer
        if self._sink is not None:
            self._sink.close()

    async def _write_waiting(self, sink: Sink) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            is_written = False
            try:
                await asyncio.to_thread(sink.write, b"".join(line for line, _ in group))
                is_written, self._is_failing = True, False
            except OSError as error:
                self._lose(len(group), error.strerror or type(error).__name__)
            finally:  # whatever it was, no call waits for ever
                for _, written in group:
                    self._settle(written, is_written=is_written)

    def _settle(self, written: asyncio.Future[None], *, is_written: bool) -> None:
        if written.cancelled():  # its caller went away
            return
        if is_written or not self._refuses:
            written.set_result(None)
        else:
            written.set_exception(_unrecorded())

    def _lose(self, count: int, reason: str) -> None:
        self._metrics.record_lost_records(count)
        if not self._is_failing:  # once, not with each call
            self._is_failing = True
            consequence = "calls are refused" if self._refuses else "records are lost"
            _log.error("decision log cannot be written", extra={"reason": reason, "so": consequence})


def _unrecorded() -> GatewayError:
    return GatewayError(
        Code.UNAVAILABLE,
        "DECISION_NOT_RECORDED",
        "the decision could not be recorded, so nothing was forwarded; try again later",
    )
