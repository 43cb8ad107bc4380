"""Items are exported in batches; a collector that is slow, away or broken costs calls nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from queue import SimpleQueue
from typing import Any

import pytest

from gateway.telemetry.batch_processor import BatchProcessor, BatchSettings

WAIT_S = 30


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Without those of exporters that another test left behind."""
    return [one for one in caplog.records if one.name == "gateway.telemetry.batch_processor"]


class Collector:
    """Keeps batches; while it is held up, an export blocks."""

    def __init__(self) -> None:
        self.batches: SimpleQueue[list[str]] = SimpleQueue()
        self.started: SimpleQueue[None] = SimpleQueue()
        self.is_free = threading.Event()
        self.is_free.set()
        self.is_closed = False

    def export(self, batch: list[str]) -> None:
        self.started.put(None)
        self.is_free.wait(WAIT_S)
        self.batches.put(batch)

    def close(self) -> None:
        self.is_closed = True

    def next(self) -> list[str]:
        return self.batches.get(timeout=WAIT_S)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.is_free.set()


Start = Callable[..., BatchProcessor[str, str]]


@pytest.fixture
def start(collector: Collector) -> Iterator[Start]:
    """Start processors of a collector; keyword arguments are settings."""
    processors = []

    def start(encode: Callable[[str], str] = str, **settings: Any) -> BatchProcessor[str, str]:
        processor = BatchProcessor(encode, collector.export, collector.close, BatchSettings(**settings))
        processors.append(processor)
        return processor

    yield start
    collector.is_free.set()
    for processor in processors:
        processor.shutdown(WAIT_S)


def test_a_full_batch_does_not_wait(start: Start, collector: Collector) -> None:
    processor = start(batch_size=2, delay_s=3600)
    for number in range(5):
        processor.put(str(number))
    assert [collector.next(), collector.next()] == [["0", "1"], ["2", "3"]]
    processor.shutdown(WAIT_S)
    assert collector.next() == ["4"]
    assert processor.dropped == 0


def test_a_part_of_a_batch_waits_for_the_delay(start: Start, collector: Collector) -> None:
    start(delay_s=0.01).put("only")
    assert collector.next() == ["only"]


def test_more_spans_than_are_encoded_at_once(start: Start, collector: Collector) -> None:
    processor = start(batch_size=300, delay_s=3600)
    for number in range(300):
        processor.put(str(number))
    assert collector.next() == [str(number) for number in range(300)]


def test_a_queue_that_fills_up_wakes_the_thread(
    start: Start, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_LOOK_S", "_BUSY_S"):
        monkeypatch.setattr(f"gateway.telemetry.batch_processor.{name}", 3600)
    processor = start(queue_size=8, batch_size=4, delay_s=3600)
    for number in range(4):
        processor.put(str(number))
    assert collector.next() == ["0", "1", "2", "3"]


def test_a_slow_collector_costs_spans_not_memory(
    start: Start, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.is_free.clear()
    processor = start(queue_size=3, batch_size=1, delay_s=3600)
    processor.put("first")
    collector.started.get(timeout=WAIT_S)
    for number in range(5):
        processor.put(str(number))
    assert processor.dropped == 2
    collector.is_free.set()
    processor.shutdown(WAIT_S)
    assert [collector.next() for _ in range(4)] == [["first"], ["0"], ["1"], ["2"]]
    (record,) = own_records(caplog)
    assert (record.message, vars(record)["count"]) == ("spans dropped", 2)


def test_a_span_that_cannot_be_encoded_is_dropped_alone(
    start: Start, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    def encode(item: str) -> str:
        return {"good": "good"}[item]

    processor = start(encode)
    processor.put("bad")
    processor.put("good")
    processor.shutdown(WAIT_S)
    assert collector.next() == ["good"]
    assert processor.dropped == 1
    assert [one.message for one in own_records(caplog)] == ["spans cannot be encoded", "spans dropped"]


class Result(Enum):
    """As the SDK's exporters return."""

    SUCCESS = 0
    FAILURE = 1


def test_a_batch_that_cannot_be_sent_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    results = iter([Result.FAILURE, Result.SUCCESS])
    processor = BatchProcessor(
        str, lambda _: next(results), lambda: None, BatchSettings(batch_size=2), "log records"
    )
    for number in range(4):
        processor.put(str(number))
    processor.shutdown(WAIT_S)
    assert processor.dropped == 2
    (record,) = own_records(caplog)
    assert (record.message, vars(record)["count"]) == ("log records dropped", 2)


def test_an_export_that_raises_does_not_end_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    batches: SimpleQueue[list[str]] = SimpleQueue()

    def export(batch: list[str]) -> None:
        batches.put(batch)
        if batch == ["first"]:
            raise RuntimeError("no")

    processor = BatchProcessor(str, export, lambda: None, BatchSettings(batch_size=1))
    processor.put("first")
    processor.put("second")
    processor.shutdown(WAIT_S)
    assert [batches.get(timeout=WAIT_S), batches.get(timeout=WAIT_S)] == [["first"], ["second"]]
    assert [one.message for one in own_records(caplog)] == ["spans cannot be exported", "spans dropped"]


def test_spans_after_the_shutdown_are_dropped(start: Start, collector: Collector) -> None:
    processor = start()
    processor.shutdown(WAIT_S)
    processor.put("late")
    assert processor.dropped == 1
    assert collector.is_closed
    assert collector.batches.empty()


def test_the_shutdown_is_bounded(start: Start, collector: Collector) -> None:
    collector.is_free.clear()
    processor = start(batch_size=1)
    processor.put("stuck")
    processor.shutdown(0.01)
    assert collector.is_closed


def test_settings_are_the_standard_variables() -> None:
    assert BatchSettings.of({}) == BatchSettings(queue_size=2048, batch_size=512, delay_s=5)
    environment = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "10",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5",
        "OTEL_BSP_SCHEDULE_DELAY": "250",
    }
    assert BatchSettings.of(environment) == BatchSettings(queue_size=10, batch_size=5, delay_s=0.25)
    of_logs = {"OTEL_BLRP_MAX_QUEUE_SIZE": "3"}
    assert BatchSettings.of(of_logs, "OTEL_BLRP", 1) == BatchSettings(queue_size=3, batch_size=512, delay_s=1)
