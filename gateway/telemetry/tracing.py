"""Starts spans: one SERVER span for each call, and one CLIENT span for each call to an upstream.

The policy decision is an event of the SERVER span. A separate span would contain the same
data, but would cost ten times as much. Spans are passed as arguments. The gateway never
makes a span the current span, because this step would cause most of the cost of a span.

A call that the sampler does not select is recorded too, because its end decides whether its spans
are exported (see tail.py).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry.span import RecordedSpan, SpanSettings
from gateway.telemetry.tail import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.util.types import Attributes, AttributeValue

    from gateway.telemetry.shared_attributes import SharedAttributes
    from gateway.telemetry.tail import KeptSpans, Tail

Span: TypeAlias = trace.Span

# A pattern for the descriptions of some SDK samplers. These samplers always make the same decision for a span
# of this process and for the children of this span.
_FOLLOWS_PARENT = re.compile(
    r"AlwaysOnSampler|AlwaysOffSampler|TraceIdRatioBased\{.*\}"
    r"|ParentBased\{.*localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler\}"
)
# The same for samplers that select the first span of every trace.
_SAMPLES_FIRST = re.compile(r"AlwaysOnSampler|ParentBased\{root:AlwaysOnSampler,.*\}")

_W3C = TraceContextTextMapPropagator()
_IDS = RandomIdGenerator()

SLOW_S = 1.0
"""The duration over which a call is slow, in seconds, if the configuration sets no other."""
_FLAGS = {
    (is_sampled, is_random): TraceFlags(
        is_sampled * TraceFlags.SAMPLED | is_random * TraceFlags.RANDOM_TRACE_ID
    )
    for is_sampled in (False, True)
    for is_random in (False, True)
}
_SERVER, _CLIENT = SpanKind.SERVER, SpanKind.CLIENT  # in Python 3.11, a look-up in the class is slow
_FLAG_TEXTS = [f"{flags:02x}" for flags in range(256)]
_NO_STATE = TraceState.get_default()


class Tracer:
    """Creates spans like the SDK's tracer, and uses the sampler, ID generator and resource of a provider."""

    def __init__(
        self,
        provider: TracerProvider,
        on_end: Callable[[RecordedSpan], None],
        tail: Tail | None = None,
    ) -> None:
        """Create the tracer.

        Args:
            provider: the tracer provider of the SDK. Its span processors are not called.
            on_end: the function that is called with each span that has ended.
            tail: what is done with calls that the sampler does not select; None means that they are not
                recorded.
        """
        self.tail = tail
        self._sampler = provider.sampler
        self._ids = provider.id_generator
        self._settings = SpanSettings(provider.resource, SpanLimits(), on_end)
        description = provider.sampler.get_description()
        self._follows_parent = _FOLLOWS_PARENT.fullmatch(description) is not None
        self._samples_first = _SAMPLES_FIRST.fullmatch(description) is not None
        self._is_random = self._ids.is_trace_id_random()

    def start_span(
        self,
        name: str,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        *,
        links: tuple[SpanContext, ...] = (),
        kept: KeptSpans | None = None,
        has_tail: bool = False,
    ) -> Span:
        """Start a span. The sampler decides whether the span is recorded.

        Args:
            name: the name of the span.
            parent: the context of the parent span; None for the first span of a trace.
            kind: the kind of the span.
            attributes: the attributes of the span.
            links: the contexts of spans of other traces that have caused this span.
            kept: the place where the span waits for the end of its call if the sampler does not select it.
            has_tail: whether there is such a place for the span, and for its children, if `kept` is None.
        """
        if parent is None and self._samples_first:
            return self._start_first(name, kind, attributes, links)
        if parent is None:
            trace_id, is_random = self._ids.generate_trace_id(), self._is_random
            context = Context()
        else:
            trace_id, is_random = parent.trace_id, parent.trace_flags.random_trace_id
            context = trace.set_span_in_context(NonRecordingSpan(parent), Context())
        given = tuple(Link(one) for one in links) if links else ()
        result = self._sampler.should_sample(context, trace_id, name, kind, attributes, given)
        is_sampled = result.decision is Decision.RECORD_AND_SAMPLE
        state = _NO_STATE if result.trace_state is None else result.trace_state
        own = _context(trace_id, self._ids.generate_span_id(), _FLAGS[is_sampled, is_random], state)
        if is_sampled:
            return RecordedSpan(self._settings, name, own, parent, kind, result.attributes, links)
        if kept is None and has_tail and self.tail is not None:
            kept = self.tail.open()
        if kept is not None:
            return RecordedSpan(self._settings, name, own, parent, kind, attributes, links, kept)
        if result.decision is Decision.DROP:
            return NonRecordingSpan(own)
        return RecordedSpan(self._settings, name, own, parent, kind, result.attributes, links)

    def _start_first(
        self, name: str, kind: SpanKind, attributes: Attributes, links: tuple[SpanContext, ...]
    ) -> Span:
        """Start the first span of a trace, which the sampler selects in any case."""
        ids, flags = self._ids, _FLAGS[True, self._is_random]
        own = _context(ids.generate_trace_id(), ids.generate_span_id(), flags, _NO_STATE)
        return RecordedSpan(self._settings, name, own, None, kind, attributes, links)

    def start_child(self, name: str, parent: Span, kind: SpanKind, attributes: Attributes) -> Span:
        """Start a child of a span of this process.

        The sampler is called only if its decision could differ from its decision on the parent span.
        """
        if isinstance(parent, RecordedSpan):
            context, kept, known_id = parent.context, parent.kept, parent.trace_id
        else:
            context, kept, known_id = parent.get_span_context(), None, ""
        if not self._follows_parent:
            return self.start_span(name, context, kind, attributes, kept=kept)
        trace_id, _, _, flags, state, _ = context  # the properties of SpanContext are functions
        own = _context(trace_id, self._ids.generate_span_id(), flags, state)
        if kept is None and not flags & TraceFlags.SAMPLED:
            return NonRecordingSpan(own)
        return RecordedSpan(self._settings, name, own, context, kind, attributes, (), kept, known_id)


class Tracing:
    """Starts spans. Without a tracer, the spans are not recorded, but still have a trace ID."""

    def __init__(
        self, tracer: Tracer | None = None, *, trusts_remote: bool = True, slow_s: float = SLOW_S
    ) -> None:
        """Initialize the tracing.

        Args:
            tracer: the tracer that starts spans; None if tracing is off.
            trusts_remote: whether the trace context of a caller is the parent of the call's span. If not, the
                call starts a new trace, with a link to the span of the caller.
            slow_s: the duration over which a call is slow, in seconds.
        """
        self._tracer = tracer
        self._trusts_remote = trusts_remote
        self._slow_s = slow_s

    def start_server(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Span:
        """Start the SERVER span of a call. The headers may contain the parent of this span."""
        known = _remote_parent(headers) if "traceparent" in headers else None
        links: tuple[SpanContext, ...] = ()
        if known is not None and not self._trusts_remote:
            links = (known,)
            known = None
        if self._tracer is None:
            return NonRecordingSpan(known or _fresh_context())
        return self._tracer.start_span(name, known, _SERVER, attributes, links=links, has_tail=True)

    def is_exported(self, span: Span, *, is_failure: bool, duration_s: float | None) -> bool:
        """Return whether the SERVER span of a call will be exported. Only then its attributes are needed.

        This method is called once, immediately before the span ends.

        Args:
            span: the SERVER span.
            is_failure: whether the call has failed.
            duration_s: the duration of the call, in seconds; None for a call that may take any time.
        """
        if not isinstance(span, RecordedSpan):
            return False
        kept = span.kept
        if kept is None:
            return True
        if is_failure:
            kept.keep(Reason.FAILED)
        elif duration_s is not None and duration_s > self._slow_s:
            kept.keep(Reason.SLOW)
        return kept.reason is not None

    def start_internal(self, name: str, parent: Mapping[str, str], attributes: Attributes) -> Span:
        """Start a span of work that the gateway does itself. The headers contain the parent of this span."""
        known = _remote_parent(parent) if "traceparent" in parent else None
        if self._tracer is None:
            return NonRecordingSpan(known or _fresh_context())
        return self._tracer.start_span(name, known, SpanKind.INTERNAL, attributes)

    def record_past(
        self, name: str, parent: Mapping[str, str], start_ns: int, attributes: Attributes, *, is_failure: bool
    ) -> None:
        """Record a span of something that started earlier and ends now.

        Args:
            name: the name of the span.
            parent: the headers that contain the parent of the span. Without a parent, nothing is recorded.
            start_ns: the start, in nanoseconds since the epoch.
            attributes: the attributes of the span.
            is_failure: whether the span has the status ERROR.
        """
        if self._tracer is None or "traceparent" not in parent:
            return
        tail = self._tracer.tail if is_failure else None
        kept = None if tail is None else tail.open(Reason.FAILED)
        span = self._tracer.start_span(name, _remote_parent(parent), SpanKind.INTERNAL, attributes, kept=kept)
        if isinstance(span, RecordedSpan):
            span.start_time = min(start_ns, time.time_ns())  # the clock may have been set back
        if is_failure:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def start_client(self, name: str, parent: Span, attributes: Attributes) -> Span:
        """Start the CLIENT span of a call to an upstream."""
        if self._tracer is None:
            return parent
        return self._tracer.start_child(name, parent, _CLIENT, attributes)


def keep(span: Span, reason: Reason) -> None:
    """Export the spans of a call when it ends, even if the sampler has not selected the call.

    Args:
        span: the SERVER span of the call.
        reason: the reason. It has no effect if the configuration does not list it.
    """
    if isinstance(span, RecordedSpan) and span.kept is not None:
        span.kept.keep(reason)


def set_shared(span: Span, attributes: SharedAttributes) -> None:
    """Set attributes that a span has in common with other spans."""
    if isinstance(span, RecordedSpan):
        span.set_shared(attributes)


def add_event(
    span: Span, name: str, attributes: Mapping[str, AttributeValue], shared: SharedAttributes
) -> None:
    """Add an event to a span.

    Args:
        span: the span.
        name: the name of the event.
        attributes: the attributes of this event.
        shared: the attributes that the event has in common with other events.
    """
    if isinstance(span, RecordedSpan):
        span.add_event(name, attributes, shared=shared)


def to_headers(span: Span) -> dict[str, str]:
    """Return the W3C trace context headers that pass a span to an upstream as the parent span.

    The headers are defined in https://www.w3.org/TR/trace-context/.
    """
    context = span.context if isinstance(span, RecordedSpan) else span.get_span_context()
    _, span_id, _, flags, state, is_valid = context
    if not is_valid:
        return {}
    own = f"00-{trace_id_of(span)}-{span_id.to_bytes(8, 'big').hex()}-{_FLAG_TEXTS[flags]}"
    if state is _NO_STATE or not state:
        return {"traceparent": own}
    return {"traceparent": own, "tracestate": state.to_header()}


def without_sampling(traceparent: str) -> Span:
    """Return a span that is not recorded, and that belongs to the trace of a W3C trace context header."""
    parent = _remote_parent({"traceparent": traceparent}) or _fresh_context()
    return NonRecordingSpan(
        SpanContext(parent.trace_id, parent.span_id, is_remote=False, trace_flags=TraceFlags.get_default())
    )


def trace_id_of(span: Span) -> str:
    """Return the trace ID of a span, as 32 hexadecimal digits."""
    return span.trace_id if isinstance(span, RecordedSpan) else f"{span.get_span_context()[0]:032x}"


def _context(trace_id: int, span_id: int, flags: TraceFlags, state: TraceState) -> SpanContext:
    """Return the context of a span of this process, whose identifiers are valid.

    SpanContext is a tuple. To make the tuple directly takes a tenth of the time of its constructor.
    """
    return tuple.__new__(SpanContext, (trace_id, span_id, False, flags, state, True))


def _remote_parent(headers: Mapping[str, str]) -> SpanContext | None:
    """Read the context of the parent span from trace context headers.

    The result is None if the headers are malformed.
    """
    parent = trace.get_current_span(_W3C.extract(headers, Context())).get_span_context()
    return parent if parent.is_valid else None


def _fresh_context() -> SpanContext:
    return SpanContext(
        trace_id=_IDS.generate_trace_id(),
        span_id=_IDS.generate_span_id(),
        is_remote=False,
        trace_flags=TraceFlags.get_default(),
    )
