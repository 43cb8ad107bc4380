"""The lag of the event loop: how much later than planned a timer is handled.

Whatever occupies the event loop delays all calls by as much, so the lag shows what their durations do not.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL_S = 0.25
"""The time between two measurements, in seconds."""


class EventLoopLag:
    """Measures the lag of the running event loop with one timer."""

    def __init__(self, record: Callable[[float], None], interval_s: float = INTERVAL_S) -> None:
        """Initialize the measurement.

        Args:
            record: the function that records a lag in seconds.
            interval_s: the time between two measurements, in seconds.
        """
        self._record = record
        self._interval_s = interval_s
        self._due_ns = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start to measure the running event loop."""
        # The event loop's clock may count only milliseconds.
        self._due_ns = time.perf_counter_ns() + int(self._interval_s * 1e9)
        self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._measure)

    def stop(self) -> None:
        """Stop to measure."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _measure(self) -> None:
        self._record(max(0.0, (time.perf_counter_ns() - self._due_ns) / 1e9))
        self.start()
