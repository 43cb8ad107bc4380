"""Which spans are exported."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from gateway.telemetry.batch_processor import BatchSettings
from gateway.telemetry.span import RecordedSpan, SpanSettings
from gateway.telemetry.span_processor import SpanProcessor

SETTINGS = SpanSettings(Resource({}), SpanLimits(), lambda _: None)


def make_span(name: str, flags: int) -> RecordedSpan:
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(flags))
    return RecordedSpan(SETTINGS, name, context, None, SpanKind.SERVER, {})


def test_spans_that_are_not_sampled_are_not_exported_unless_they_are_kept() -> None:
    batches: list[list[str]] = []
    processor = SpanProcessor(lambda span: span.name, batches.append, lambda: None, BatchSettings())
    processor.put(make_span("recorded only", TraceFlags.RANDOM_TRACE_ID))
    processor.put(make_span("sampled", TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID))
    processor.put_kept(make_span("kept", TraceFlags.DEFAULT))
    processor.shutdown(30)
    assert batches == [["sampled", "kept"]]
    assert processor.dropped == 0
