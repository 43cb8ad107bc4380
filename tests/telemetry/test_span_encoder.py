"""Spans in the wire format of OTLP: the message that the official library reads."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceState

from gateway.telemetry.span import SCOPE, RecordedSpan, SpanSettings
from gateway.telemetry.span_encoder import RequestEncoder, encode_span
from gateway.telemetry.tracing import Tracer, Tracing

ATTRIBUTES: dict[str, Any] = {
    "text": "жж",
    "true": True,
    "negative": -1,
    "large": 2**62,
    "float": 0.5,
    "list": ["a", "b"],
}


def encoded(count: int) -> ExportTraceServiceRequest:
    ended: list[RecordedSpan] = []
    tracing = Tracing(Tracer(TracerProvider(shutdown_on_exit=False), ended.append))
    for number in range(count):
        span = tracing.start_server(f"span {number}", {}, ATTRIBUTES)
        span.add_event("event", {"key": "value"})
        span.end()
    encoder = RequestEncoder(Resource({"service.name": "x"}), InstrumentationScope("scope", "1"))
    return ExportTraceServiceRequest.FromString(encoder.encode([encode_span(span) for span in ended]))


@pytest.mark.parametrize("count", [1, 3])
def test_a_request_holds_every_span(count: int) -> None:
    (resource_spans,) = encoded(count).resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert scope_spans.scope.name == "scope"
    assert [span.name for span in scope_spans.spans] == [f"span {number}" for number in range(count)]
    assert resource_spans.resource.attributes[0].value.string_value == "x"


@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("state", [None, TraceState([("vendor", "1")])], ids=["no state", "state"])
def test_links_are_those_of_the_official_encoder(*, is_remote: bool, state: TraceState | None) -> None:
    link = SpanContext(7, 8, is_remote=is_remote, trace_state=state)
    settings = SpanSettings(Resource({}), SpanLimits(), lambda _: None)
    context = SpanContext(1, 2, is_remote=False)
    span = RecordedSpan(settings, "linked", context, None, SpanKind.SERVER, {}, links=(link,))
    span.end()
    own = ExportTraceServiceRequest.FromString(
        RequestEncoder(Resource({}), SCOPE).encode([encode_span(span)])
    )
    expected = encode_spans([span.to_readable()])
    if state is not None:  # which the official encoder leaves out
        expected.resource_spans[0].scope_spans[0].spans[0].links[0].trace_state = "vendor=1"
    assert own == expected


def test_values_keep_their_types() -> None:
    (span,) = encoded(1).resource_spans[0].scope_spans[0].spans
    values = {one.key: one.value for one in span.attributes}
    assert values["text"].string_value == "жж"
    assert values["true"].bool_value is True
    assert (values["negative"].int_value, values["large"].int_value) == (-1, 2**62)
    assert values["float"].double_value == 0.5
    assert [one.string_value for one in values["list"].array_value.values] == ["a", "b"]
    assert span.events[0].attributes[0].value.string_value == "value"
    assert span.end_time_unix_nano >= span.start_time_unix_nano
