"""The writer of records to the sink.

One thread writes the records in groups. A group contains the records that arrived while the thread wrote the
previous group. If a record cannot be kept, the call of the record is not forwarded. The configuration may
allow the gateway to drop records instead. If records must not be dropped and the sink is durable, each call
waits until its own record is written.

A record may be handed over as a function that returns its line. The thread calls these functions one after
the other, so that their code stays in the cache of the processor. A record that cannot be encoded is lost in
the same way as a record that cannot be written.

The thread pauses between two groups. During this pause, a record for which no call waits wakes the thread
only if the queue becomes half full. The thread reads the queue again GATHER_S seconds after the previous
group. For most of these records, this delay avoids a system call and a switch between threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gateway.errors import Code, GatewayError
from gateway.quoting import encode_json
from gateway.telemetry import Status, definitions
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.sinks import Sink
    from gateway.telemetry import Health, Metrics

    Record: TypeAlias = Mapping[str, Any] | Callable[[], bytes]

_log = logging.getLogger(__name__)

CLOSE_S = 5.0
"""The maximum time for writing the waiting records when the gateway stops, in seconds."""
STALLED_S = 5.0
"""The number of seconds after which an unfinished write is reported."""
GATHER_S = 0.05
"""The maximum number of seconds between two groups if no call waits for a record."""
MAX_GROUP = 128
"""The maximum number of records in a group. The interpreter lock is released after each group."""
CONDITION = "decision_log"
"""The name of the health condition that shows whether records can be written."""


@value_class(frozen=True, slots=True)
class _Waiting:
    """A record that waits to be written.

    Attributes:
        line: the record as one line of JSON, or the function that returns this line.
        written: the future that is done after the record is written; None if no call waits for the record.
    """

    line: bytes | Callable[[], bytes]
    written: asyncio.Future[None] | None


class RecordWriter:
    """Accepts records and writes them in a separate thread, because a sink may be slow or block."""

    def __init__(
        self,
        sink: Sink | None,
        metrics: Metrics,
        health: Health,
        *,
        capacity: int,
        when_full: Literal["refuse", "drop"],
        is_observing: bool = False,
    ) -> None:
        """Initialize the writer. The thread starts when the first record arrives.

        Args:
            sink: the sink that keeps the records; None if records are not kept.
            metrics: the metrics that count lost records.
            health: the health of the gateway. It contains the condition `decision_log`.
            capacity: the maximum number of records that wait to be written.
            when_full: the action if a record cannot be kept: `refuse` the call, or `drop` the record.
            is_observing: whether the mode of all calls is `observe`, so that no call is refused.
        """
        self._sink = sink
        self._metrics = metrics
        self._health = health
        self._capacity = capacity
        self._refuses = when_full == "refuse"
        self._consequence = "calls are refused" if self._refuses and not is_observing else "records are lost"
        self._queue: deque[_Waiting] = deque()
        # No lock is needed. Only the event loop changes `_put_count`, and only the thread changes
        # `_written_count`.
        self._put_count = self._written_count = 0
        self._is_idle = self._is_gathering = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._is_failing = False
        self._has_failed = False  # used only by the thread, to report the first success after a failure
        self._write_started: float | None = None
        if sink is not None:
            health.set(CONDITION, Status.OK)
            metrics.watch_queue(definitions.QUEUED_RECORDS, lambda: self._waiting)

    @property
    def is_kept(self) -> bool:
        """Whether there is a sink that keeps records."""
        return self._sink is not None

    async def write(self, record: Record, deadline: float) -> None:
        """Write the record of a call. The call continues when this method returns.

        If records must not be dropped and the sink is durable or is failing, the method waits until the
        record is written. In all other cases, the method only adds the record to the queue.

        Args:
            record: the record as a JSON object, or the function that returns its encoding. The function is
                called in another thread.
            deadline: the time until which the call waits for the write, in seconds of the event loop's clock.

        Raises:
            GatewayError: UNAVAILABLE if the record cannot be kept and must not be dropped.
        """
        if self._sink is None:
            return
        if self._waiting >= self._capacity:
            self._lose(1, f"{self._capacity} records wait to be written")
            if self._refuses:
                raise _not_recorded()
            return
        # After a failed write, each call waits for the write of its own record. If this write fails too, the
        # call is refused. If the write succeeds, the sink works again.
        waits = self._refuses and (self._sink.is_durable or self._is_failing)
        written = asyncio.get_running_loop().create_future() if waits else None
        self._put(_Waiting(_to_line(record), written), self._sink)
        if written is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    await written
            except TimeoutError as error:
                self._check_stalled()
                raise _not_recorded() from error

    def _check_stalled(self) -> None:
        """Report a failure of the sink if a write has lasted longer than STALLED_S seconds."""
        started = self._write_started
        if started is not None and time.monotonic() - started > STALLED_S:
            self._fail("the sink does not respond")

    def offer(self, record: Mapping[str, Any]) -> None:
        """Write the record of a call that has ended. No call waits for this record.

        If at least half of the queue is in use, the record is lost. Without this limit, malformed requests
        could fill the queue and make valid calls fail.
        """
        if self._sink is None:
            return
        if self._is_half_full():
            self._metrics.record_lost_records(1)
        else:
            self._put(_Waiting(_to_line(record), None), self._sink)

    async def close(self) -> None:
        """Write the waiting records, and close the sink. Records not written within CLOSE_S are lost."""
        if self._sink is None:
            return
        if self._thread is not None:
            self._is_closing = True
            self._bell.put(None)
            await asyncio.to_thread(self._thread.join, CLOSE_S)
            if self._thread.is_alive():
                self._lose(self._waiting, "still waiting to be written when the gateway stopped")
                return
        self._sink.close()

    @property
    def _waiting(self) -> int:
        """The number of records that wait to be written."""
        return self._put_count - self._written_count

    def _is_half_full(self) -> bool:
        """Return whether at least half of the queue is in use."""
        return 2 * self._waiting >= self._capacity

    def _put(self, waiting: _Waiting, sink: Sink) -> None:
        self._put_count += 1
        self._queue.append(waiting)
        if self._thread is None:
            loop = asyncio.get_running_loop()
            # The thread is a daemon thread, so that a blocked write does not prevent the end of the process.
            self._thread = threading.Thread(target=self._run, args=(sink, loop), daemon=True)
            self._thread.start()
        elif self._is_idle or (self._is_gathering and (waiting.written is not None or self._is_half_full())):
            self._is_idle = self._is_gathering = False
            self._bell.put(None)

    def _run(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            self._is_idle = True  # set before the queue is read, so that a later record wakes the thread
            if not self._queue and not self._is_closing:
                self._bell.get()
            self._is_idle = False
            has_waited = bool(self._queue) and self._write_group(sink, loop)
            if self._is_closing:
                while self._queue:
                    self._write_group(sink, loop)
                return
            if not has_waited and len(self._queue) < MAX_GROUP:
                # Under load, further records have been added during the write. If the thread wrote them at
                # once, it would never pause, and would take the interpreter lock for a few records each time.
                self._gather()

    def _gather(self) -> None:
        """Wait for more records.

        Stop early if the queue becomes half full, or if a call waits for a record.
        """
        self._is_gathering = True
        if not any(one.written is not None for one in tuple(self._queue)):
            with suppress(Empty):
                self._bell.get(timeout=GATHER_S)
        self._is_gathering = False

    def _write_group(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> bool:
        """Write the records in the queue; return whether a call waited for one of these records."""
        group = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]
        self._write_started = time.monotonic()
        lines = [_encode(one) for one in group]
        failure = _write(sink, b"".join([line for line in lines if line is not None]))
        self._write_started = None
        self._written_count += len(group)
        is_broken = None in lines
        if is_broken:
            broken = [one for one, line in zip(group, lines, strict=True) if line is None]
            group = [one for one, line in zip(group, lines, strict=True) if line is not None]
            with suppress(RuntimeError):  # the event loop has ended, so no call waits
                loop.call_soon_threadsafe(self._settle, broken, "a record cannot be encoded")
        has_waited = any(one.written is not None for one in group)
        is_reported = has_waited or failure is not None or self._is_failing or self._has_failed
        self._has_failed = is_broken or failure is not None
        if is_reported:
            with suppress(RuntimeError):  # the event loop has ended, so no call waits
                loop.call_soon_threadsafe(self._settle, group, failure)
        return has_waited

    def _settle(self, group: list[_Waiting], failure: str | None) -> None:
        if failure is not None:
            self._lose(len(group), failure)
        elif self._is_failing and 2 * self._waiting <= self._capacity:
            # If the queue is more than half full, it could soon be full again. Then the status would change
            # back and forth.
            self._is_failing = False
            self._health.set(CONDITION, Status.OK)
        for one in group:
            if one.written is None or one.written.done():  # no call waits for the record any more
                continue
            if failure is None:
                one.written.set_result(None)
            else:
                one.written.set_exception(_not_recorded())

    def _lose(self, count: int, reason: str) -> None:
        self._metrics.record_lost_records(count)
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        """Report that records cannot be written."""
        if not self._is_failing:  # reported once, not for each call
            self._is_failing = True
            self._health.set(CONDITION, Status.DEGRADED, f"{self._consequence}: {reason}")
            _log.error("decision log cannot be written", extra={"reason": reason, "so": self._consequence})


def _to_line(record: Record) -> bytes | Callable[[], bytes]:
    return record if callable(record) else encode_json(record) + b"\n"


def _encode(waiting: _Waiting) -> bytes | None:
    """Return the line of a record; None if it cannot be encoded."""
    line = waiting.line
    if isinstance(line, bytes):
        return line
    try:
        return line() + b"\n"
    except Exception:  # noqa: BLE001 - one record must not end the thread
        _log.exception("record cannot be encoded")
        return None


def _write(sink: Sink, records: bytes) -> str | None:
    """Write a group of records. Return the reason if the write failed; None if the write succeeded."""
    try:
        sink.write(records)
    except Exception as error:  # noqa: BLE001 - whatever it is, the calls that wait must end
        return (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return None


def _not_recorded() -> GatewayError:
    return GatewayError(
        Code.UNAVAILABLE,
        "DECISION_NOT_RECORDED",
        "the decision could not be recorded, so nothing was forwarded; try again later",
    )
