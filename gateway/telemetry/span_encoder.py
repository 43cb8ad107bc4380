"""Encodes spans for OTLP as the bytes of an ExportTraceServiceRequest.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

For speed, the module creates no protobuf messages for spans. The module also caches the
encoding of names and of attributes that many spans have in common. In the Python code, the bytes of each
field start with its tag. A tag is the bytes that encode the number and the wire type of a field.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind, StatusCode

    from gateway.telemetry.span import RecordedSpan

_log = logging.getLogger(__name__)

_CACHED = 1024  # maximum number of entries in each cache
_MAX_CACHED_LENGTH = 256  # maximum number of characters of a cached text
_TIMES = struct.Struct("<BQBQ")
_TIME = struct.Struct("<BQ")
_DOUBLE = struct.Struct("<Bd")
_INT64 = range(-(1 << 63), 1 << 63)
_UINT64 = 1 << 64
_GROUP = 0x7F
# Field 16 (flags) is a fixed32. Bit 8 means that bit 9 is valid. Bit 9 means that the parent is remote.
_LOCAL_PARENT, _REMOTE_PARENT = b"\x85\x01\x00\x01\x00\x00", b"\x85\x01\x00\x03\x00\x00"


def encode_span(span: RecordedSpan) -> bytes:
    """Return the encoding of an ended span, as the field `spans` of the message ScopeSpans."""
    context, parent = span.context, span.parent
    parts = [
        b"\x0a\x10", context.trace_id.to_bytes(16, "big"),
        b"\x12\x08", context.span_id.to_bytes(8, "big"),
    ]  # fmt: skip
    if context.trace_state:
        parts.append(_field(b"\x1a", context.trace_state.to_header().encode()))
    if parent is not None:
        parts += b"\x22\x08", parent.span_id.to_bytes(8, "big")
    parts += _name_and_kind(span.name, span.kind), _TIMES.pack(0x39, span.start_time, 0x41, span.end_time)
    _add_attributes(parts, b"\x4a", span.attributes)
    _add_count(parts, b"\x50", getattr(span.attributes, "dropped", 0))
    for event in span.events:
        parts.append(_field(b"\x5a", _encode_event(*event)))
    _add_count(parts, b"\x60", span.dropped_events)
    parts += (
        _encode_status(span.status.status_code, span.status.description),
        _REMOTE_PARENT if parent is not None and parent.is_remote else _LOCAL_PARENT,
    )
    return _field(b"\x12", b"".join(parts))


class RequestEncoder:
    """Creates requests from encoded spans. All spans have the same resource and the same scope."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        """Encode the resource and the scope of all spans."""
        context = SpanContext(trace_id=1, span_id=1, is_remote=False)
        sample = ReadableSpan("", context, resource=resource, instrumentation_scope=scope)
        (resource_spans,) = encode_spans([sample]).resource_spans
        (scope_spans,) = resource_spans.scope_spans
        del scope_spans.spans[:]
        self._scope = scope_spans.SerializeToString()
        del resource_spans.scope_spans[:]
        self._resource = resource_spans.SerializeToString()

    def encode(self, spans: Sequence[bytes]) -> bytes:
        """Return the bytes of an ExportTraceServiceRequest that contains the encoded spans."""
        scope_spans = _field(b"\x12", b"".join([self._scope, *spans]))
        return _field(b"\x0a", self._resource + scope_spans)


def _encode_event(time: int, name: str, attributes: Mapping[str, Any]) -> bytes:
    parts = [_TIME.pack(0x09, time), _event_name(name)]
    _add_attributes(parts, b"\x1a", attributes)
    _add_count(parts, b"\x20", getattr(attributes, "dropped", 0))
    return b"".join(parts)


def _add_attributes(parts: list[bytes], tag: bytes, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        try:
            if isinstance(value, int) or (isinstance(value, str) and len(value) <= _MAX_CACHED_LENGTH):
                parts += tag, _kept_pair(key, value)
            else:
                parts += tag, _pair(key, value)
        except (ValueError, TypeError) as error:
            _log.warning("attribute of a span cannot be sent", extra={"key": key, "error": str(error)})


def _pair(key: str, value: Any) -> bytes:
    """Return the length of an encoded KeyValue message, followed by the message."""
    return _delimited(_field(b"\x0a", key.encode()) + _field(b"\x12", _encode_value(value)))


@lru_cache(_CACHED, typed=True)
def _kept_pair(key: str, value: str | int) -> bytes:
    return _pair(key, value)


@lru_cache(_CACHED)
def _name_and_kind(name: str, kind: SpanKind) -> bytes:
    return _field(b"\x2a", name.encode()) + b"\x30" + _varint(kind.value + 1)


@lru_cache(_CACHED)
def _event_name(name: str) -> bytes:
    return _field(b"\x12", name.encode())


@lru_cache(_CACHED)
def _encode_status(code: StatusCode, description: str | None) -> bytes:
    message = _field(b"\x12", description.encode()) if description else b""
    return _field(b"\x7a", message + (b"\x18" + _varint(code.value) if code.value else b""))


def _encode_value(value: Any) -> bytes:
    """Return the encoding of a value as an AnyValue message."""
    if value is None:
        return b""
    encode = _ENCODERS.get(type(value)) or _find_encoder(value)
    return encode(value)


def _find_encoder(value: Any) -> Callable[[Any], bytes]:
    """Return the encoder of a value whose type is a subclass of a type in _ENCODERS."""
    for kind, encode in _ENCODERS.items():
        if isinstance(value, kind):
            return encode
    raise TypeError(f"a value of {type(value).__name__} cannot be sent")


def _encode_text(value: str) -> bytes:
    return _field(b"\x0a", value.encode())


def _encode_bool(value: bool) -> bytes:  # noqa: FBT001 - a value to encode
    return b"\x10\x01" if value else b"\x10\x00"


def _encode_int(value: int) -> bytes:
    if value not in _INT64:
        raise ValueError("the number does not fit in 64 bits")
    return b"\x18" + _varint(value % _UINT64)


def _encode_float(value: float) -> bytes:
    return _DOUBLE.pack(0x21, value)


def _encode_bytes(value: bytes) -> bytes:
    return _field(b"\x3a", value)


def _encode_sequence(values: Sequence[Any]) -> bytes:
    return _field(b"\x2a", b"".join(_field(b"\x0a", _encode_value(one)) for one in values))


def _encode_mapping(values: Mapping[str, Any]) -> bytes:
    return _field(b"\x32", b"".join(b"\x0a" + _pair(key, one) for key, one in values.items()))


# The order is important: a bool is also an int, and str and bytes are also sequences.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    str: _encode_text,
    bool: _encode_bool,
    int: _encode_int,
    float: _encode_float,
    bytes: _encode_bytes,
    tuple: _encode_sequence,
    Sequence: _encode_sequence,
    Mapping: _encode_mapping,
}


def _add_count(parts: list[bytes], tag: bytes, count: int) -> None:
    if count:
        parts += tag, _varint(count)


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _delimited(data)


def _delimited(data: bytes) -> bytes:
    return _varint(len(data)) + data


@lru_cache(_CACHED)
def _varint(number: int) -> bytes:
    """Return the encoding of a number as a protobuf varint.

    Each byte contains seven bits of the number, the lowest bits first. The eighth bit of a byte means that
    another byte follows.
    """
    groups = bytearray()
    while number > _GROUP:
        groups.append(number & _GROUP | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
