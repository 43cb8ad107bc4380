"""Encodes spans for OTLP as the bytes of an ExportTraceServiceRequest.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

For speed, the module creates no protobuf messages for spans, see otlp_values.py.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceState

from gateway.telemetry.otlp_values import CACHED, add_count, add_each, encode_shared, field, varint
from gateway.telemetry.span import NONE, UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import StatusCode

    from gateway.telemetry.shared_attributes import SharedAttributes
    from gateway.telemetry.span import RecordedSpan

_TIMES = struct.Struct("<BQBQ")
_TIME = struct.Struct("<BQ")
# Field 16 (flags) is a fixed32. Bit 8 means that bit 9 is valid. Bit 9 means that the parent is remote.
_LOCAL_PARENT, _REMOTE_PARENT = b"\x85\x01\x00\x01\x00\x00", b"\x85\x01\x00\x03\x00\x00"
_NO_STATUS = b"\x7a\x00"
_NO_STATE = TraceState.get_default()
# Field 6 (flags) of a link has the same form.
_LOCAL_LINK, _REMOTE_LINK = b"\x35\x00\x01\x00\x00", b"\x35\x00\x03\x00\x00"


def encode_span(span: RecordedSpan) -> bytes:
    """Return the encoding of an ended span, as the field `spans` of the message ScopeSpans."""
    # SpanContext is a tuple, whose properties are functions of Python.
    trace_id, span_id, _, _, state, _ = span.context
    parent, own = span.parent, span.own
    parts = [
        b"\x0a\x10", trace_id.to_bytes(16, "big"),
        b"\x12\x08", span_id.to_bytes(8, "big"),
        _name_and_kind(span.name, span.kind._value_),
        _TIMES.pack(0x39, span.start_time, 0x41, span.end_time),
    ]  # fmt: skip
    if state is not _NO_STATE and state:
        parts.append(field(b"\x1a", state.to_header().encode()))
    if parent is not None:
        parts += b"\x22\x08", parent[1].to_bytes(8, "big")
    for group in span.shared:
        parts.append(encode_shared(b"\x4a", group))
    if own is not NONE:
        add_each(parts, b"\x4a", own.items())
        if type(own) is not dict:
            add_count(parts, b"\x50", getattr(own, "dropped", 0))
    for event in span.events:
        parts.append(field(b"\x5a", _encode_event(*event)))
    if span.dropped_events:
        add_count(parts, b"\x60", span.dropped_events)
    for link in span.links:
        parts.append(field(b"\x6a", _encode_link(link)))
    status = span.status
    parts.append(_NO_STATUS if status is UNSET else _encode_status(status.status_code, status.description))
    parts.append(_REMOTE_PARENT if parent is not None and parent[2] else _LOCAL_PARENT)
    return field(b"\x12", b"".join(parts))


class RequestEncoder:
    """Creates requests from encoded spans, or from encoded log records.

    All items have the same resource and the same scope. The requests of both signals have the same structure,
    with the same numbers of fields.
    """

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        """Encode the resource and the scope of all items."""
        context = SpanContext(trace_id=1, span_id=1, is_remote=False)
        sample = ReadableSpan("", context, resource=resource, instrumentation_scope=scope)
        (resource_spans,) = encode_spans([sample]).resource_spans
        (scope_spans,) = resource_spans.scope_spans
        del scope_spans.spans[:]
        self._scope = scope_spans.SerializeToString()
        del resource_spans.scope_spans[:]
        self._resource = resource_spans.SerializeToString()

    def encode(self, items: Sequence[bytes]) -> bytes:
        """Return the bytes of an ExportTraceServiceRequest or an ExportLogsServiceRequest with the items."""
        size = len(self._scope) + sum(map(len, items))
        head = b"\x12" + varint(size)
        size += len(self._resource) + len(head)
        # All bytes are copied only once, because the items of a batch do not fit into the processor's cache.
        return b"".join([b"\x0a", varint(size), self._resource, head, self._scope, *items])


def _encode_event(
    time: int, name: str, shared: SharedAttributes | None, attributes: Mapping[str, Any]
) -> bytes:
    parts = [_TIME.pack(0x09, time), _event_name(name)]
    add_each(parts, b"\x1a", attributes.items())
    if shared is not None:
        parts.append(encode_shared(b"\x1a", shared))
    if type(attributes) is not dict:
        add_count(parts, b"\x20", getattr(attributes, "dropped", 0))
    return b"".join(parts)


def _encode_link(context: SpanContext) -> bytes:
    parts = [
        b"\x0a\x10", context.trace_id.to_bytes(16, "big"),
        b"\x12\x08", context.span_id.to_bytes(8, "big"),
    ]  # fmt: skip
    if context.trace_state:
        parts.append(field(b"\x1a", context.trace_state.to_header().encode()))
    parts.append(_REMOTE_LINK if context.is_remote else _LOCAL_LINK)
    return b"".join(parts)


@lru_cache(CACHED)
def _name_and_kind(name: str, kind: int) -> bytes:
    return field(b"\x2a", name.encode()) + b"\x30" + varint(kind + 1)


@lru_cache(CACHED)
def _event_name(name: str) -> bytes:
    return field(b"\x12", name.encode())


@lru_cache(CACHED)
def _encode_status(code: StatusCode, description: str | None) -> bytes:
    message = field(b"\x12", description.encode()) if description else b""
    return field(b"\x7a", message + (b"\x18" + varint(code.value) if code.value else b""))
