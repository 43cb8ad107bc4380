"""Helpers of tests that write records."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from gateway.audit.record_writer import RecordWriter
from gateway.telemetry import Health, Metrics

RECORD = {"kind": "decision", "id": "1"}


FULL = Path("/dev/full")


class HeldSink:
    """Writes when it is let, as a pipe that nobody reads."""

    is_durable = False

    def __init__(self) -> None:
        self.free = threading.Event()
        self.groups: list[bytes] = []

    def write(self, records: bytes) -> None:
        self.free.wait(30)
        self.groups.append(records)

    def close(self) -> None:
        pass


class BadSink:
    is_durable = True

    def write(self, records: bytes) -> None:
        raise RuntimeError(records)

    def close(self) -> None:
        pass


def soon(seconds: float = 10.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def lost(metrics: Metrics) -> float:
    for line in metrics.expose().decode().splitlines():
        if line.startswith("gateway_decision_log_lost_total"):
            return float(line.rpartition(" ")[2])
    return 0.0


def open_log(sink: Any, metrics: Metrics, **options: Any) -> RecordWriter:
    return RecordWriter(sink, metrics, Health(), **{"capacity": 10, "when_full": "refuse", **options})
