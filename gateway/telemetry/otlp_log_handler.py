"""Sends log records to a collector. The collector costs calls nothing, because a thread encodes and sends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.telemetry.log_encoder import snapshot_record

if TYPE_CHECKING:
    from gateway.telemetry.batch_processor import BatchProcessor

# The records of the telemetry itself are not sent. A failure to send would cause further records to send.
_NOT_SENT = ("opentelemetry", "gateway.telemetry", "urllib3", "grpc")


class OtlpLogHandler(logging.Handler):
    """Adds log records to the queue of a processor."""

    def __init__(self, processor: BatchProcessor[logging.LogRecord, Any]) -> None:
        """Create the handler.

        Args:
            processor: the processor that encodes and sends the records.
        """
        super().__init__()
        self._processor = processor

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record to the queue. The method neither blocks nor raises an exception."""
        if record.name.startswith(_NOT_SENT):
            return
        try:
            self._processor.put(snapshot_record(record))
        except Exception:  # noqa: BLE001 - an incorrect call of the logger must not end a call
            return  # the handler of standard error reports the record
