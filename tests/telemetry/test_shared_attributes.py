from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind

from gateway.telemetry import SharedAttributes, add_event, set_shared
from gateway.telemetry.span import SCOPE, RecordedSpan, SpanSettings
from gateway.telemetry.span_encoder import RequestEncoder, encode_span

RESOURCE = Resource({})
keys = st.sampled_from(["a", "b", "c", "decision.id", "url.path"])
values = st.one_of(
    st.text(max_size=3),
    st.booleans(),
    st.integers(-1, 1),
    st.lists(st.text(max_size=2), max_size=2).map(tuple),
)
groups = st.dictionaries(keys, values, max_size=3)
steps = st.lists(st.tuples(st.sampled_from(["own", "shared"]), groups), max_size=4)
limits = st.sampled_from(
    [SpanLimits(), SpanLimits(max_span_attributes=2), SpanLimits(max_attribute_length=1)]
)


def make_span(given_limits: SpanLimits, attributes: Any = None) -> RecordedSpan:
    settings = SpanSettings(RESOURCE, given_limits, lambda _: None)
    return RecordedSpan(settings, "x", SpanContext(1, 2, is_remote=False), None, SpanKind.SERVER, attributes)


@given(initial=groups, given_steps=steps, given_limits=limits)
def test_shared_attributes_are_recorded_and_encoded_as_own_ones(
    initial: dict[str, Any], given_steps: list[tuple[str, dict[str, Any]]], given_limits: SpanLimits
) -> None:
    span, plain = make_span(given_limits, SharedAttributes(initial)), make_span(given_limits, initial)
    for kind, group in given_steps:
        plain.set_attributes(group)
        if kind == "own":
            span.set_attributes(group)
        else:
            set_shared(span, SharedAttributes(group))
    assert dict(span.attributes) == dict(plain.attributes)
    plain.start_time, plain.end_time = span.start_time, 0
    span.end_time = 0
    encoded = ExportTraceServiceRequest.FromString(
        RequestEncoder(RESOURCE, SCOPE).encode([encode_span(span)])
    )
    expected = encode_spans([plain.to_readable()])
    for request in (encoded, expected):
        request.resource_spans[0].scope_spans[0].spans[0].attributes.sort(key=lambda one: str(one.key))
    assert encoded == expected


def test_later_attributes_replace_shared_ones_and_others_keep_theirs() -> None:
    group = SharedAttributes({"a": 1, "b": 2})
    first, second = (make_span(SpanLimits(), group) for _ in range(2))
    first.set_attribute("a", 3)
    assert (first.attributes, second.attributes) == ({"a": 3, "b": 2}, {"a": 1, "b": 2})
    set_shared(second, SharedAttributes({"b": 4}))
    assert second.attributes == {"a": 1, "b": 4}
    assert group == {"a": 1, "b": 2}


def test_a_count_limit_includes_shared_attributes() -> None:
    span = make_span(SpanLimits(max_span_attributes=64), SharedAttributes({"shared": 1}))
    span.set_attributes({str(number): number for number in range(100)})
    assert len(span.attributes) == 64


def test_an_ended_span_gets_no_shared_attributes() -> None:
    span = make_span(SpanLimits())
    span.end()
    set_shared(span, SharedAttributes({"a": 1}))
    assert not span.attributes


def test_events_have_shared_attributes_within_the_limits() -> None:
    shared = SharedAttributes({"b": "long"})
    for given_limits, expected in ((SpanLimits(), "long"), (SpanLimits(max_attribute_length=1), "l")):
        span = make_span(given_limits)
        add_event(span, "e", {"a": "x"}, shared)
        (event,) = span.to_readable().events
        assert event.attributes == {"a": "x", "b": expected}


def test_spans_that_are_not_recorded_ignore_them() -> None:
    span = NonRecordingSpan(SpanContext(1, 2, is_remote=False))
    set_shared(span, SharedAttributes({"a": 1}))
    add_event(span, "e", {}, SharedAttributes({"a": 1}))


def test_an_encoding_is_made_once() -> None:
    group = SharedAttributes({"a": "x" * 100})
    first, second = (make_span(SpanLimits(), group) for _ in range(2))
    for span in (first, second):
        span.end()
        encode_span(span)
    assert list(group.encodings) == [b"\x4a"]
