"""The export of one log record, by the exporter of either protocol."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from gateway.telemetry.log_encoder import encode_record
from gateway.telemetry.span import LOG_SCOPE
from gateway.telemetry.span_encoder import RequestEncoder


def export_record(exporter_class: Any) -> LogRecordExportResult:
    exporter = exporter_class(RequestEncoder(Resource({"service.name": "x"}), LOG_SCOPE), 0.2)
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "started", "status": 200})
    result: LogRecordExportResult = exporter.export([encode_record(record)])
    exporter.shutdown()
    return result
