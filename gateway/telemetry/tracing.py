"""Spans: one SERVER span for a call, one CLIENT span for each call of an upstream.

The decision is an event on the SERVER span: it contains as much as a span of its
own and costs a tenth. Spans are handed on explicitly and never made current,
which is most of a span's price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.util.types import Attributes

Span: TypeAlias = trace.Span

_W3C = TraceContextTextMapPropagator()
_IDS = RandomIdGenerator()


class Tracing:
    """Starts spans; without a provider they record nothing, but still carry a trace ID."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = provider.get_tracer("baremetal-gateway") if provider else None

    def start_server(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Span:
        """Start the span of a call, below the caller's own when its headers name one."""
        parent = _W3C.extract(headers, Context())
        if self._tracer is not None:
            return self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        context = trace.get_current_span(parent).get_span_context()
        return NonRecordingSpan(context if context.is_valid else _fresh_context())

    def start_client(self, name: str, parent: Span, attributes: Attributes) -> Span:
        """Start the span of a call of an upstream."""
        if self._tracer is None:
            return parent
        context = trace.set_span_in_context(parent, Context())
        return self._tracer.start_span(name, context, SpanKind.CLIENT, attributes)


def to_headers(span: Span) -> dict[str, str]:
    """Return the W3C headers that hand a span on."""
    headers: dict[str, str] = {}
    _W3C.inject(headers, trace.set_span_in_context(span, Context()))
    return headers


def trace_id_of(span: Span) -> str:
    """Return the trace ID, 32 hexadecimal digits."""
    return trace.format_trace_id(span.get_span_context().trace_id)


def _fresh_context() -> SpanContext:
    return SpanContext(
        trace_id=_IDS.generate_trace_id(),
        span_id=_IDS.generate_span_id(),
        is_remote=False,
        trace_flags=TraceFlags.get_default(),
    )
