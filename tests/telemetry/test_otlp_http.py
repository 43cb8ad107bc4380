"""Spans arrive by OTLP over HTTP as the official exporter would send them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import SimpleQueue
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind

from gateway.telemetry.otlp_http import HttpSpanExporter
from gateway.telemetry.span import SCOPE, RecordedSpan, SpanSettings
from gateway.telemetry.span_encoder import RequestEncoder, encode_span

RESOURCE = Resource({"service.name": "gateway"})


class Collector(HTTPServer):
    """Keeps requests; answers with the statuses that it is given, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: SimpleQueue[tuple[str, dict[str, str], bytes]] = SimpleQueue()
        self.statuses: list[int] = []


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.put((self.path, headers, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Retry-After", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def span() -> RecordedSpan:
    settings = SpanSettings(RESOURCE, SpanLimits(), lambda _: None)
    context = SpanContext(1, 2, is_remote=False)
    span = RecordedSpan(settings, "POST /x", context, None, SpanKind.SERVER, {"http.route": "/x"})
    span.end()
    return span


def export(span: RecordedSpan) -> SpanExportResult:
    exporter: Any = HttpSpanExporter(RequestEncoder(RESOURCE, SCOPE), None)
    result: SpanExportResult = exporter.export([encode_span(span)])
    exporter.shutdown()
    return result


def test_a_request_is_that_of_the_official_exporter(collector: Collector, span: RecordedSpan) -> None:
    assert export(span) is SpanExportResult.SUCCESS
    path, headers, body = collector.received.get_nowait()
    assert path == "/v1/traces"
    assert headers["x-tenant"] == "blue"
    assert headers["content-type"] == "application/x-protobuf"
    assert ExportTraceServiceRequest.FromString(body) == encode_spans([span.to_readable()])


def test_compression(collector: Collector, span: RecordedSpan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    assert export(span) is SpanExportResult.SUCCESS
    _, headers, body = collector.received.get_nowait()
    assert headers["content-encoding"] == "gzip"
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
    assert request == encode_spans([span.to_readable()])


def test_an_export_is_tried_again(collector: Collector, span: RecordedSpan) -> None:
    collector.statuses = [503]
    assert export(span) is SpanExportResult.SUCCESS
    assert collector.received.qsize() == 2


def test_a_refused_export_is_a_failure(
    collector: Collector, span: RecordedSpan, caplog: pytest.LogCaptureFixture
) -> None:
    collector.statuses = [400]
    assert export(span) is SpanExportResult.FAILURE
    assert any("Failed to export spans" in message for message in caplog.messages)
