"""Spans of the gateway record what the SDK's own do: every span is encoded from both, and compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from gateway.telemetry.span import SCOPE, RecordedSpan, SpanSettings
from gateway.telemetry.span_encoder import RequestEncoder, encode_span

RESOURCE = Resource(
    {"service.name": "gateway", "instances": [1, 2]}, "https://opentelemetry.io/schemas/1.9.0"
)
NO_LIMIT = SpanLimits.UNSET

text = st.text(max_size=300) | st.sampled_from(["allow", "deny", "x" * 255, "x" * 256, "x" * 257])
integers = st.integers(-(2**64), 2**64) | st.sampled_from([0, 1, -1, 127, 128, 2**63 - 1, 2**63, -(2**63)])
scalars = st.one_of(text, integers, st.floats(), st.booleans())
lists = st.one_of(
    st.lists(text, max_size=4), st.lists(integers, max_size=4), st.lists(st.floats(), max_size=4).map(tuple)
)
others = st.one_of(
    st.none(), st.binary(max_size=8), st.lists(scalars | st.none(), max_size=3), st.just(object)
) | st.dictionaries(text, scalars, max_size=3)
values = scalars | lists | others
keys = st.sampled_from(["", "a", "b", "http.route", "naïve ключ"])
attributes = st.dictionaries(keys, values, max_size=5)
times = st.integers(0, 2**64 - 1)
count_limits = st.sampled_from([NO_LIMIT, 0, 1, 2, 128])
length_limits = st.sampled_from([NO_LIMIT, 0, 1, 5])
limits = st.builds(
    SpanLimits,
    max_events=count_limits,
    max_span_attributes=count_limits,
    max_event_attributes=count_limits,
    max_attribute_length=length_limits,
    max_span_attribute_length=length_limits,
) | st.just(SpanLimits())
states = st.sampled_from([TraceState(), TraceState([("a", "1")]), TraceState([("a", "1"), ("b", "x y")])])
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
    states,
)
statuses = st.builds(Status, st.sampled_from(StatusCode), st.none() | text)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set_attribute"), keys, values),
        st.tuples(st.just("set_attributes"), st.dictionaries(keys, values, min_size=1, max_size=3)),
        st.tuples(st.just("add_event"), text, st.none() | attributes, times),
        st.tuples(st.just("update_name"), text),
        st.tuples(st.just("set_status"), statuses),
        st.tuples(st.just("set_status"), st.sampled_from(StatusCode), st.none() | text),
        st.tuples(st.just("record_exception"), st.just(ValueError("no")), st.none() | attributes, times),
        st.tuples(st.just("end"), times),
    ),
    max_size=8,
)


class Kept(SpanProcessor):
    """Keeps the SDK's spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def official(spans: list[ReadableSpan]) -> bytes:
    return encode_spans(spans).SerializeToString(deterministic=True)


def own(spans: list[RecordedSpan]) -> bytes:
    data = RequestEncoder(RESOURCE, SCOPE).encode([encode_span(span) for span in spans])
    return ExportTraceServiceRequest.FromString(data).SerializeToString(deterministic=True)


@given(
    name=text,
    parent=st.none() | contexts,
    kind=st.sampled_from(SpanKind),
    start=times,
    initial=attributes,
    limits=limits,
    steps=steps,
)
def test_every_span_is_what_the_sdk_records_and_encodes(
    name: str,
    parent: SpanContext | None,
    kind: SpanKind,
    start: int,
    initial: dict[str, Any],
    limits: SpanLimits,
    steps: list[tuple[Any, ...]],
) -> None:
    kept = Kept()
    provider = TracerProvider(ALWAYS_ON, RESOURCE, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(kept)
    context = Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())
    expected = provider.get_tracer(SCOPE.name, schema_url=SCOPE.schema_url).start_span(
        name, context, kind, initial, start_time=start
    )
    ended: list[RecordedSpan] = []
    settings = SpanSettings(RESOURCE, limits, ended.append)
    span = RecordedSpan(settings, name, expected.get_span_context(), parent, kind, initial)
    span.start_time = start
    for method, *arguments in [*steps, ("end", start)]:
        for one in (expected, span):
            getattr(one, method)(*arguments)
        assert span.is_recording() == expected.is_recording()
    assert len(ended) == len(kept.spans) == 1
    assert own(ended) == official(kept.spans) == official([span.to_readable()])


def make(limits: SpanLimits | None = None, **attributes: Any) -> tuple[RecordedSpan, list[RecordedSpan]]:
    ended: list[RecordedSpan] = []
    settings = SpanSettings(RESOURCE, limits or SpanLimits(), ended.append)
    context = SpanContext(1, 2, is_remote=False)
    return RecordedSpan(settings, "call", context, None, SpanKind.SERVER, attributes), ended


def test_several_spans_share_resource_and_scope() -> None:
    spans = [make(number=number)[0] for number in range(300)]
    for span in spans:
        span.end()
    (resource_spans,) = ExportTraceServiceRequest.FromString(own(spans)).resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert len(scope_spans.spans) == 300
    assert own(spans) == official([span.to_readable() for span in spans])


def test_a_span_can_be_read_before_and_after_its_end() -> None:
    span, ended = make(a=1)
    span.add_event("decision", {"decision.violations": ["one", "two"]})
    assert span.is_recording()
    assert span.to_readable().end_time is None
    span.end()
    readable = span.to_readable()
    assert ended == [span]
    assert readable.end_time is not None
    assert readable.attributes == {"a": 1}
    assert [event.attributes for event in readable.events] == [{"decision.violations": ("one", "two")}]
    assert '"name": "call"' in readable.to_json()


def test_what_comes_after_the_end_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    span, ended = make()
    span.end()
    span.update_name("other")
    span.set_attribute("a", 1)
    span.set_attributes({"a": 1})
    span.add_event("late")
    span.set_status(StatusCode.ERROR)
    span.end()
    assert ended == [span]
    assert (span.name, span.attributes, span.events, span.status.status_code) == (
        "call",
        {},
        [],
        StatusCode.UNSET,
    )
    own = [one.message for one in caplog.records if one.name == "gateway.telemetry.span"]
    assert own == ["an ended span was changed"] * 6


def test_a_list_that_changes_later_is_recorded_as_it_was() -> None:
    fields = ["one"]
    span, _ = make(fields=fields)
    fields.append("two")
    assert span.attributes == {"fields": ("one",)}
