"""Which spans are started, and how they are handed on: as the SDK and its propagator do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    AlwaysRecordSampler,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry import Tracer, Tracing, to_headers, trace_id_of
from gateway.telemetry.span import SCOPE, RecordedSpan

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
RANDOM = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"
SAMPLERS = [
    ALWAYS_ON, ALWAYS_OFF, DEFAULT_ON, DEFAULT_OFF, AlwaysRecordSampler(ALWAYS_OFF), TraceIdRatioBased(0.5),
    ParentBasedTraceIdRatio(0.5),
]  # fmt: skip

contexts = st.builds(
    SpanContext,
    st.integers(0, 2**128 - 1) | st.just(0),
    st.integers(0, 2**64 - 1) | st.just(0),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    st.sampled_from([None, TraceState(), TraceState([("vendor", "a b"), ("other@x", "1")])]),
)


@given(contexts)
def test_headers_are_those_of_the_propagator(context: SpanContext) -> None:
    span = NonRecordingSpan(context)
    expected: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(expected, trace.set_span_in_context(span, Context()))
    if context.is_valid:
        assert to_headers(span) == expected
    else:  # the propagator would hand identifiers on that are not valid
        assert to_headers(span) == {}


@pytest.mark.parametrize("sampler", SAMPLERS, ids=[one.get_description()[:40] for one in SAMPLERS])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": SAMPLED},
        {"traceparent": NOT_SAMPLED, "tracestate": "a=1,b=2"},
        {"traceparent": RANDOM, "tracestate": "a=1"},
        {"traceparent": "nonsense"},
    ],
    ids=["none", "sampled", "not sampled", "random", "nonsense"],
)
def test_spans_start_as_those_of_the_sdk(
    sampler: Sampler, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider(sampler, Resource({"service.name": "x"}), shutdown_on_exit=False)
    numbers = random.Random(1)  # noqa: S311 - identifiers of a test
    monkeypatch.setattr(provider.id_generator, "generate_trace_id", lambda: numbers.getrandbits(128))
    monkeypatch.setattr(provider.id_generator, "generate_span_id", lambda: numbers.getrandbits(64))
    attributes = {"http.request.method": "GET"}
    parent = TraceContextTextMapPropagator().extract(headers, Context())
    sdk = provider.get_tracer(SCOPE.name, schema_url=SCOPE.schema_url)
    expected = sdk.start_span("server", parent, SpanKind.SERVER, attributes)
    below = sdk.start_span(
        "client", trace.set_span_in_context(expected, Context()), SpanKind.CLIENT, attributes
    )

    numbers.seed(1)
    ended: list[RecordedSpan] = []
    tracing = Tracing(Tracer(provider, ended.append))
    server = tracing.start_server("server", headers, attributes)
    client = tracing.start_client("client", server, attributes)
    for own, other in ((server, expected), (client, below)):
        assert own.get_span_context() == other.get_span_context()
        assert own.is_recording() == other.is_recording()
        assert to_headers(own)["traceparent"].split("-")[1] == trace_id_of(other)
        own.end()
    others = [one for one in (expected, below) if isinstance(one, ReadableSpan)]
    assert len(ended) == len(others)
    for span, sdk_span in zip(ended, others, strict=True):
        readable = span.to_readable()
        assert (readable.name, readable.kind) == (sdk_span.name, sdk_span.kind)
        assert (readable.parent, readable.resource) == (sdk_span.parent, sdk_span.resource)
        assert readable.instrumentation_scope == sdk_span.instrumentation_scope
        assert readable.attributes == sdk_span.attributes


def test_without_a_tracer_one_span_is_handed_on() -> None:
    tracing = Tracing()
    span = tracing.start_server("x", {"traceparent": SAMPLED, "tracestate": "a=1"}, {})
    assert tracing.start_client("y", span, {}) is span
    assert not span.is_recording()
    assert to_headers(span) == {"traceparent": SAMPLED, "tracestate": "a=1"}
