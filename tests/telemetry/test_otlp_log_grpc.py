"""Log records arrive by OTLP over GRPC."""

from __future__ import annotations

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult

from gateway.telemetry.otlp_log_grpc import GrpcLogExporter
from tests.collectors import absent, attributes_of, collecting, environment_of
from tests.telemetry.log_exports import export_record

PROTOCOL = "grpc"


def test_a_record_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting(PROTOCOL) as (received, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert export_record(GrpcLogExporter) is LogRecordExportResult.SUCCESS
    (record,) = received.log_records
    assert (record.body.string_value, attributes_of(record)["status"]) == ("started", 200)


def test_a_collector_that_is_absent_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with absent() as port:
        for name, value in environment_of(port, PROTOCOL).items():
            monkeypatch.setenv(name, value)
        assert export_record(GrpcLogExporter) is LogRecordExportResult.FAILURE
