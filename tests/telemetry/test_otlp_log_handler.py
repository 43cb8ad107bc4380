"""Which log records are sent."""

from __future__ import annotations

import logging

from gateway.telemetry.batch_processor import BatchProcessor, BatchSettings
from gateway.telemetry.otlp_log_handler import OtlpLogHandler


def test_records_are_sent_except_those_of_telemetry_itself() -> None:
    batches: list[list[str]] = []
    processor: BatchProcessor[logging.LogRecord, str] = BatchProcessor(
        lambda record: str(record.msg), batches.append, lambda: None, BatchSettings(), "log records"
    )
    handler = OtlpLogHandler(processor)
    for name in ("gateway.app", "opentelemetry.exporter", "gateway.telemetry.batch_processor", "urllib3"):
        handler.handle(logging.makeLogRecord({"name": name, "msg": "from %s", "args": (name,)}))
    handler.handle(logging.makeLogRecord({"name": "gateway.app", "msg": "%d", "args": ("wrong",)}))
    processor.shutdown(30)
    assert batches == [["from gateway.app"]]
