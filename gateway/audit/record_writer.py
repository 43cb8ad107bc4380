"""Writes records to the sink.

One thread writes records in groups: a group is what has arrived while the group
before it was written. Nothing is forwarded unrecorded, unless the operator chose
to lose records rather than calls. Where the sink is durable, a call waits until
its own record is written.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from gateway.errors import Code, GatewayError
from gateway.quoting import escape_json
from gateway.telemetry import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.sinks import Sink
    from gateway.telemetry import Health, Metrics

_log = logging.getLogger(__name__)

CLOSE_S = 5.0
"""Seconds that waiting records have to be written when the gateway stops."""
CONDITION = "decision_log"
"""The condition of the health that says whether records can be written."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record that waits to be written, and the call that waits for it."""

    line: bytes
    written: asyncio.Future[None] | None


class RecordWriter:
    """Takes records and writes them in a thread of its own, because a sink may be slow or block."""

    def __init__(
        self,
        sink: Sink | None,
        metrics: Metrics,
        health: Health,
        *,
        capacity: int,
        when_full: Literal["refuse", "drop"],
    ) -> None:
        """Prepare.

        Args:
            sink: where records are kept; None keeps none.
            metrics: that lost records are counted in.
            health: whose condition `decision_log` says whether records can be written.
            capacity: records that may wait to be written.
            when_full: what happens when a record cannot be kept: its call is refused, or it is dropped.
        """
        self._sink = sink
        self._metrics = metrics
        self._health = health
        self._capacity = capacity
        self._refuses = when_full == "refuse"
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._is_failing = False
        if sink is not None:
            health.set(CONDITION, Status.OK)

    @property
    def is_kept(self) -> bool:
        """Whether records go anywhere."""
        return self._sink is not None

    async def write(self, record: Mapping[str, Any], deadline: float) -> None:
        """Write the record of a call that goes on only when its record is kept.

        Where the sink is durable, or has failed, and records must not be dropped, the call waits until the
        record is written. Otherwise the record only needs a place in the queue.

        Args:
            record: JSON values.
            deadline: until when a call waits for it, by the event loop's clock.

        Raises:
            GatewayError: UNAVAILABLE when it cannot be kept and must not be dropped.
        """
        if self._sink is None:
            return
        if self._is_full():
            if self._refuses:
                raise _not_recorded()
            return
        # After a failed write each call tries for itself: it is refused, or finds that the sink works again.
        waits = self._refuses and (self._sink.is_durable or self._is_failing)
        written = asyncio.get_running_loop().create_future() if waits else None
        self._put(_Waiting(_to_line(record), written), self._sink)
        if written is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    await written
            except TimeoutError as error:
                raise _not_recorded() from error

    def offer(self, record: Mapping[str, Any]) -> None:
        """Write the record of a call that has ended. No call waits for it; a full queue loses it."""
        if self._sink is not None and not self._is_full():
            self._put(_Waiting(_to_line(record), None), self._sink)

    async def close(self) -> None:
        """Write what waits, for no longer than CLOSE_S, then close the sink."""
        if self._sink is None:
            return
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, CLOSE_S)
            if self._thread.is_alive():
                self._lose(self._waiting, "still waiting to be written when the gateway stopped")
                return
        self._sink.close()

    def _is_full(self) -> bool:
        """Return whether the queue takes no further record; the one that is not taken is counted as lost."""
        if self._waiting < self._capacity:
            return False
        self._lose(1, f"{self._capacity} records wait to be written")
        return True

    def _put(self, waiting: _Waiting, sink: Sink) -> None:
        self._waiting += 1
        self._queue.put(waiting)
        if self._thread is None:
            loop = asyncio.get_running_loop()
            # A daemon: a write that blocks does not keep the process from ending.
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
        if failure is not None:
            self._lose(len(group), failure)
        elif self._is_failing and group:
            self._is_failing = False
            self._health.set(CONDITION, Status.OK)
        for one in group:
            if one.written is None or one.written.done():  # its caller went away
                continue
            if failure is None:
                one.written.set_result(None)
            else:
                one.written.set_exception(_not_recorded())

    def _lose(self, count: int, reason: str) -> None:
        self._metrics.record_lost_records(count)
        if not self._is_failing:  # once, not with each call
            self._is_failing = True
            consequence = "calls are refused" if self._refuses else "records are lost"
            self._health.set(CONDITION, Status.DEGRADED, f"{consequence}: {reason}")
            _log.error("decision log cannot be written", extra={"reason": reason, "so": consequence})


def _to_line(record: Mapping[str, Any]) -> bytes:
    text = escape_json(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
    return text.encode(errors="replace") + b"\n"


def _write(sink: Sink, records: bytes) -> str | None:
    """Write a group; return why it could not be written."""
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
