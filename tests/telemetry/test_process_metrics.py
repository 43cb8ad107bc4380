"""The metrics of the process."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.telemetry import Metrics
from gateway.telemetry import process_metrics as module
from gateway.telemetry.process_metrics import GcPauses


def value(metrics: Metrics, name: str) -> float:
    (found,) = (line for line in metrics.expose().decode().splitlines() if line.startswith(f"{name} "))
    return float(found.split()[1])


def test_the_process_is_measured() -> None:
    metrics = Metrics(Resource({}))
    text = metrics.expose().decode()
    assert 'process_cpu_time_seconds_total{cpu_mode="user"}' in text
    assert 10e6 < value(metrics, "process_memory_usage_bytes") < 10e9
    assert value(metrics, "process_thread_count") >= 1
    assert 0 <= value(metrics, "process_uptime_seconds") < 1e6


def test_open_descriptors_are_counted() -> None:
    metrics = Metrics(Resource({}))
    before = value(metrics, "process_unix_file_descriptor_count")
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
    assert value(metrics, "process_unix_file_descriptor_count") >= before + 40
    for one in opened:
        os.close(one)


def test_another_system_has_fewer_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MEMORY", "_DESCRIPTORS", "_TASKS"):
        monkeypatch.setattr(module, name, Path("/nowhere"))
    text = Metrics(Resource({})).expose().decode()
    assert "process_cpu_time_seconds_total" in text
    assert "process_memory" not in text
    assert "process_thread" not in text


def test_garbage_collections_are_measured() -> None:
    seen: list[tuple[float, str]] = []
    pauses = GcPauses(lambda pause_s, generation: seen.append((pause_s, generation)))
    pauses.start()
    gc.collect(0)
    gc.collect(1)
    gc.collect()
    pauses.stop()
    pauses.stop()
    gc.collect(1)
    assert [generation for _, generation in seen] == ["1", "2"]
    assert all(0 < pause_s < 60 for pause_s, _ in seen)
