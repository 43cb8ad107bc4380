"""Hands ended spans to an exporter in batches, from a thread of its own.

A collector may be slow or away: spans wait in a bounded queue, and further ones are dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.telemetry.span import RecordedSpan

_log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S = 0.2  # between two looks at an idle queue
_BUSY_S = 0.02  # the same while spans keep coming
_PAUSE_S = 0.001  # between two chunks: others may run
_CHUNK = 64  # spans that are encoded at once: less than half a millisecond


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """The sizes and the delay of a batch of spans.

    Attributes:
        queue_size: spans that may wait; further ones are dropped.
        batch_size: spans of one export.
        delay_s: the longest time that a span waits for others of its batch, in seconds.
    """

    queue_size: int = 2048
    batch_size: int = 512
    delay_s: float = 5.0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> BatchSettings:
        """Return the settings of the standard variables."""
        return cls(
            queue_size=int(environment.get("OTEL_BSP_MAX_QUEUE_SIZE", cls().queue_size)),
            batch_size=int(environment.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", cls().batch_size)),
            delay_s=float(environment.get("OTEL_BSP_SCHEDULE_DELAY", cls().delay_s * 1e3)) / 1e3,
        )


class SpanProcessor(Generic[T]):
    """A bounded queue of ended spans, and the thread that encodes and exports them.

    The thread looks at the queue by itself, so a span costs no system call and no hand-over
    of the interpreter lock. It is woken only when the queue has become half full meanwhile.
    """

    def __init__(
        self,
        encode: Callable[[RecordedSpan], T],
        export: Callable[[list[T]], object],
        close: Callable[[], None],
        settings: BatchSettings,
    ) -> None:
        """Start the thread.

        Args:
            encode: makes of a span what is exported.
            export: exports a batch. It may block.
            close: ends the exporter, also while it exports.
            settings: how spans are gathered.
        """
        self._encode = encode
        self._export = export
        self._close = close
        self._settings = settings
        self._queue: deque[RecordedSpan] = deque()
        self._batch: list[T] = []
        self._due = 0.0  # when the batch is exported even though it is not full
        # Each counter has one writer, so none needs a lock: those who end spans, or the thread.
        self._overflowed = self._failed = self._reported = 0
        self._wake = threading.Event()
        self._is_closing = False
        # A daemon: one that is blocked in an export does not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="span processor", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans that were dropped since the start: the queue was full, or they could not be encoded."""
        return self._overflowed + self._failed

    def put(self, span: RecordedSpan) -> None:
        """Queue an ended span if it is sampled, or drop it when the queue is full."""
        if not span.context.trace_flags.sampled:
            return
        waiting = len(self._queue)
        if waiting >= self._settings.queue_size or self._is_closing:
            self._overflowed += 1
            return
        self._queue.append(span)
        if waiting * 2 + 2 >= self._settings.queue_size and not self._wake.is_set():
            self._wake.set()

    def shutdown(self, timeout_s: float) -> None:
        """Export what waits, as far as that takes no longer than the timeout; later spans are dropped."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        self._close()

    def _run(self) -> None:
        while not (self._is_closing and not self._queue and not self._batch):
            is_busy = bool(self._queue)
            self._encode_chunk()
            if self._is_due():
                self._export_batch()
            if not self._is_closing:
                self._pause(is_busy=is_busy)

    def _encode_chunk(self) -> None:
        room = min(_CHUNK, self._settings.batch_size - len(self._batch), len(self._queue))
        for _ in range(room):
            try:
                encoded = self._encode(self._queue.popleft())
            except Exception:  # noqa: BLE001 - one span that cannot be encoded must not end the thread
                _log.exception("span cannot be encoded")
                self._failed += 1
                continue
            if not self._batch:
                self._due = time.monotonic() + self._settings.delay_s
            self._batch.append(encoded)

    def _is_due(self) -> bool:
        if len(self._batch) >= self._settings.batch_size:
            return True
        if self._is_closing:
            return bool(self._batch) and not self._queue
        return bool(self._batch) and time.monotonic() >= self._due

    def _export_batch(self) -> None:
        batch, self._batch = self._batch, []
        try:
            self._export(batch)
        except Exception:  # noqa: BLE001 - an exporter raises whatever it likes
            _log.exception("spans cannot be exported")
        if (dropped := self.dropped) > self._reported:
            _log.warning("spans dropped", extra={"count": dropped - self._reported})
            self._reported = dropped

    def _pause(self, *, is_busy: bool) -> None:
        """Let others run, and spans come; a queue that fills up ends the wait."""
        if self._queue:
            self._wake.clear()
            time.sleep(_PAUSE_S)
            return
        pause_s = _BUSY_S if is_busy else _LOOK_S
        if self._batch:
            pause_s = min(pause_s, max(0.0, self._due - time.monotonic()))
        self._wake.wait(min(pause_s, self._settings.delay_s))
        if not self._is_closing:
            self._wake.clear()
