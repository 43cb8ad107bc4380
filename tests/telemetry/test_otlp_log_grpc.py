"""Log records arrive by OTLP over GRPC."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from gateway.telemetry.log_encoder import encode_record
from gateway.telemetry.otlp_log_grpc import GrpcLogExporter
from gateway.telemetry.span import LOG_SCOPE
from gateway.telemetry.span_encoder import RequestEncoder
from tests.collectors import absent, attributes_of, collecting, environment_of

PROTOCOL = "grpc"


def export() -> LogRecordExportResult:
    exporter: Any = GrpcLogExporter(RequestEncoder(Resource({"service.name": "x"}), LOG_SCOPE), 0.2)
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "started", "status": 200})
    result: LogRecordExportResult = exporter.export([encode_record(record)])
    exporter.shutdown()
    return result


def test_a_record_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting(PROTOCOL) as (received, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert export() is LogRecordExportResult.SUCCESS
    (record,) = received.log_records
    assert (record.body.string_value, attributes_of(record)["status"]) == ("started", 200)


def test_a_collector_that_is_absent_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with absent() as port:
        for name, value in environment_of(port, PROTOCOL).items():
            monkeypatch.setenv(name, value)
        assert export() is LogRecordExportResult.FAILURE
