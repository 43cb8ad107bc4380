"""The metrics of the process: CPU time, memory, descriptors, threads, and pauses for garbage collection."""

from __future__ import annotations

import gc
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.telemetry import definitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.telemetry.metrics import Metrics

_STARTED = time.monotonic()  # this module is imported when the process starts
_PAGE_BYTES = resource.getpagesize()
_MEMORY, _DESCRIPTORS, _TASKS = Path("/proc/self/statm"), Path("/proc/self/fd"), Path("/proc/self/task")


def observe_process(metrics: Metrics) -> None:
    """Add the metrics of this process. On systems without /proc, only CPU time and uptime exist."""
    metrics.observe(definitions.CPU_TIME, _read_cpu_time)
    metrics.observe(definitions.MEMORY, _read_memory)
    metrics.observe(definitions.FILE_DESCRIPTORS, _read_descriptors)
    metrics.observe(definitions.THREADS, _read_threads)
    metrics.observe(definitions.UPTIME, lambda: [(time.monotonic() - _STARTED, ())])


class GcPauses:
    """Measures for how long garbage collections stop the process."""

    def __init__(self, record: Callable[[float, str], None]) -> None:
        """Initialize the measurement.

        Args:
            record: the function that records a pause in seconds and the generation. It must take no lock,
                because a collection can start in any thread, at any allocation.
        """
        self._record = record
        self._started_ns = 0

    def start(self) -> None:
        """Start to measure."""
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        """Stop to measure."""
        if self._note in gc.callbacks:
            gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        # Only one collection runs at a time, so there is only one start. Collections of the youngest
        # generation are too short and too frequent to be measured.
        if info["generation"] == 0:
            return
        if phase == "start":
            self._started_ns = time.perf_counter_ns()
        elif self._started_ns:
            self._record((time.perf_counter_ns() - self._started_ns) / 1e9, str(info["generation"]))


def _read_cpu_time() -> Iterator[tuple[float, tuple[str]]]:
    times = os.times()
    yield times.user, ("user",)
    yield times.system, ("system",)


def _read_memory() -> Iterator[tuple[float, tuple[()]]]:
    try:
        pages = int(_MEMORY.read_text(encoding="ascii").split()[1])
    except OSError:  # another system than Linux
        return
    yield pages * _PAGE_BYTES, ()


def _read_descriptors() -> Iterator[tuple[float, tuple[()]]]:
    try:
        count = len(os.listdir(_DESCRIPTORS))  # noqa: PTH208 - without an object for each descriptor
    except OSError:  # another system than Linux, or no descriptor is free for this
        return
    yield count - 1, ()  # without the descriptor of the listing


def _read_threads() -> Iterator[tuple[float, tuple[()]]]:
    try:
        yield len(os.listdir(_TASKS)), ()  # noqa: PTH208 - those of libraries, too
    except OSError:  # another system than Linux
        return
