"""Passes spans or log records to an exporter in batches, in a separate thread.

A collector may be slow or unavailable. Therefore the items wait in a bounded queue. If the queue
is full, new items are dropped.
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

_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Encoded = TypeVar("Encoded")

_LOOK_S = 0.2  # the pause between two checks of the queue if no items arrive
_BUSY_S = 0.1  # the pause between two checks of the queue while items arrive
_PAUSE_S = 0.001  # the pause between two chunks, in which other threads can run
_CHUNK = 64  # the number of items that are encoded without a pause; this takes less than 0.5 ms


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """The size of the queue, and the size and the delay of a batch.

    Attributes:
        queue_size: the maximum number of items in the queue.
        batch_size: the maximum number of items in one export.
        delay_s: the time after which a batch is exported even if it is not full, in seconds.
    """

    queue_size: int = 2048
    batch_size: int = 512
    delay_s: float = 5.0

    @classmethod
    def of(
        cls, environment: Mapping[str, str], prefix: str = "OTEL_BSP", delay_s: float = 5.0
    ) -> BatchSettings:
        """Return the settings from standard variables.

        Args:
            environment: the environment variables.
            prefix: the prefix of the variables: `OTEL_BSP` for spans, `OTEL_BLRP` for log records.
            delay_s: the delay if no variable sets it, in seconds.
        """
        return cls(
            queue_size=int(environment.get(f"{prefix}_MAX_QUEUE_SIZE", cls().queue_size)),
            batch_size=int(environment.get(f"{prefix}_MAX_EXPORT_BATCH_SIZE", cls().batch_size)),
            delay_s=float(environment.get(f"{prefix}_SCHEDULE_DELAY", delay_s * 1e3)) / 1e3,
        )


class BatchProcessor(Generic[Item, Encoded]):
    """A bounded queue of items, and a thread that encodes and exports these items.

    The thread checks the queue at regular intervals. Therefore adding an item needs no system
    call and no switch of the interpreter lock. The thread is woken early only if the queue
    becomes half full between two checks.
    """

    def __init__(
        self,
        encode: Callable[[Item], Encoded],
        export: Callable[[list[Encoded]], object],
        close: Callable[[], None],
        settings: BatchSettings,
        noun: str = "spans",
        note_export: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Create the queue and start the thread.

        Args:
            encode: the function that encodes an item.
            export: the function that exports a batch of encoded items. It may block. Its result is an
                enumeration member of the SDK, whose name is FAILURE if the batch is lost.
            close: the function that ends the exporter, even during an export.
            settings: the sizes of the queue and of a batch, and the delay.
            noun: the word for the items in log lines.
            note_export: the function that is called after each export, with whether it has succeeded.
        """
        self._note_export = note_export
        self._encode = encode
        self._export = export
        self._close = close
        self._settings = settings
        self._noun = noun
        self._queue: deque[Item] = deque()
        self._batch: list[Encoded] = []
        self._due = 0.0  # the time at which the batch is exported even if the batch is not full
        # Each counter is changed only by callers of put(), or only by the thread. No counter needs a lock.
        self._overflowed = self._failed = self._unsent = self._reported = 0
        self._wake = threading.Event()
        self._is_closing = False
        # The process can end even if a daemon thread is blocked in an export.
        self._thread = threading.Thread(target=self._run, name=f"{noun} processor", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """The number of items that were dropped: the queue was full, or encoding or sending failed."""
        return self._overflowed + self._failed + self._unsent

    def observe_dropped(self) -> list[tuple[int, tuple[str]]]:
        """Return the numbers of items that were not sent, with the reason."""
        return [(self._overflowed + self._failed, ("queue",)), (self._unsent, ("export",))]

    def put(self, item: Item) -> None:
        """Add an item to the queue. If the queue is full, drop the item."""
        waiting = len(self._queue)
        if waiting >= self._settings.queue_size or self._is_closing:
            self._overflowed += 1
            return
        self._queue.append(item)
        if waiting * 2 + 2 >= self._settings.queue_size and not self._wake.is_set():
            self._wake.set()

    def shutdown(self, timeout_s: float) -> None:
        """Export the queued items within the timeout, and end the exporter. Items added later are dropped."""
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
            except Exception:  # noqa: BLE001 - one item that cannot be encoded must not end the thread
                _log.exception("%s cannot be encoded", self._noun)
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
            is_lost = getattr(self._export(batch), "name", "") == "FAILURE"
        except Exception:  # noqa: BLE001 - an exporter raises whatever it likes
            _log.exception("%s cannot be exported", self._noun)
            is_lost = True
        if is_lost:
            self._unsent += len(batch)
        self._note_export(not is_lost)
        if (dropped := self.dropped) > self._reported:
            _log.warning("%s dropped", self._noun, extra={"count": dropped - self._reported})
            self._reported = dropped

    def _pause(self, *, is_busy: bool) -> None:
        """Wait, so that other threads can run and add items. If the queue becomes half full, stop waiting."""
        if len(self._queue) >= _CHUNK:
            self._wake.clear()
            time.sleep(_PAUSE_S)
            return
        pause_s = _BUSY_S if is_busy or self._queue else _LOOK_S
        if self._batch:
            pause_s = min(pause_s, max(0.0, self._due - time.monotonic()))
        self._wake.wait(min(pause_s, self._settings.delay_s))
        if not self._is_closing:
            self._wake.clear()
