"""Spans arrive by OTLP over gRPC as the official exporter would send them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind

from gateway.telemetry.otlp_grpc import GrpcSpanExporter
from gateway.telemetry.span import SCOPE, RecordedSpan, SpanSettings
from gateway.telemetry.span_encoder import RequestEncoder, encode_span

RESOURCE = Resource({"service.name": "gateway"})


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps requests and their metadata; fails with the codes that it is given."""

    def __init__(self) -> None:
        self.received: SimpleQueue[tuple[dict[str, str], ExportTraceServiceRequest]] = SimpleQueue()
        self.codes: list[grpc.StatusCode] = []

    def Export(  # noqa: N802 - the service's own name
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self.received.put((dict(context.invocation_metadata()), request))  # type: ignore[arg-type]
        if self.codes:
            context.abort(self.codes.pop(0), "no")
        return ExportTraceServiceResponse()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
    yield collector
    server.stop(0).wait()


@pytest.fixture
def span() -> RecordedSpan:
    settings = SpanSettings(RESOURCE, SpanLimits(), lambda _: None)
    context = SpanContext(1, 2, is_remote=False)
    span = RecordedSpan(settings, "POST /x", context, None, SpanKind.SERVER, {"http.route": "/x"})
    span.end()
    return span


def export(span: RecordedSpan) -> SpanExportResult:
    exporter = GrpcSpanExporter(RequestEncoder(RESOURCE, SCOPE), None)
    spans: Any = [encode_span(span)]
    result = exporter.export(spans)
    exporter.shutdown()
    return result


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_request_is_that_of_the_official_exporter(
    collector: Collector, span: RecordedSpan, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compression == "gzip":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    assert export(span) is SpanExportResult.SUCCESS
    metadata, request = collector.received.get_nowait()
    assert metadata["x-tenant"] == "blue"
    assert request == encode_spans([span.to_readable()])


def test_a_refused_export_is_a_failure(
    collector: Collector, span: RecordedSpan, caplog: pytest.LogCaptureFixture
) -> None:
    collector.codes = [grpc.StatusCode.INVALID_ARGUMENT]
    assert export(span) is SpanExportResult.FAILURE
    assert any("Failed to export traces" in message for message in caplog.messages)
