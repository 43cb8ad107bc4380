"""Spans, with and without a provider, and the headers that pass them on."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from gateway.telemetry import Tracing, to_headers, trace_id_of

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}


def test_without_a_provider_a_span_has_a_trace_id() -> None:
    span = Tracing().start_server("a", {}, {})
    assert not span.is_recording()
    assert len(trace_id_of(span)) == 32
    assert trace_id_of(span) != trace_id_of(Tracing().start_server("a", {}, {}))


def test_the_callers_trace_is_continued() -> None:
    assert trace_id_of(Tracing().start_server("a", PARENT, {})) == TRACE_ID
    assert trace_id_of(Tracing().start_server("a", {"traceparent": "nonsense"}, {})) != TRACE_ID


def test_headers_pass_the_span_on() -> None:
    span = Tracing().start_server("a", PARENT, {})
    assert to_headers(span)["traceparent"].split("-")[1] == TRACE_ID


def test_server_and_client_spans_are_one_trace() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    server = tracing.start_server("server", PARENT, {"a": "b"})
    client = tracing.start_client("client", server, {})
    client.end()
    server.end()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert spans["server"].kind is SpanKind.SERVER
    assert spans["client"].kind is SpanKind.CLIENT
    assert spans["client"].parent == spans["server"].context
    assert dict(spans["server"].attributes or {}) == {"a": "b"}
    assert to_headers(client)["traceparent"].split("-")[2] == f"{client.get_span_context().span_id:016x}"


def test_without_a_provider_there_is_one_span() -> None:
    tracing = Tracing()
    server = tracing.start_server("server", {}, {})
    assert tracing.start_client("client", server, {}) is server
