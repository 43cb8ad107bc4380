"""Encodes values for OTLP, in the wire format of protobuf.

For speed, the module creates no protobuf messages, and caches the encoding of attributes that many spans or
log records have in common. In the Python code, the bytes of each field start with its tag. A tag is the bytes
that encode the number and the wire type of a field.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.telemetry.shared_attributes import SharedAttributes

_log = logging.getLogger(__name__)

CACHED = 1024
"""The maximum number of entries in each cache."""

_MAX_CACHED_LENGTH = 256  # maximum number of characters of a cached text
_MAX_KEPT_LENGTH = 1024  # maximum number of characters of attributes that are cached together
_UNIQUE = frozenset({"decision.id", "url.path", "call_id", "trace_id"})  # hardly any value is repeated
_TEXT = frozenset({str})
_DOUBLE = struct.Struct("<Bd")
_INT64 = range(-(1 << 63), 1 << 63)
_UINT64 = 1 << 64
_GROUP = 0x7F


def add_attributes(parts: list[bytes], tag: bytes, attributes: Mapping[str, Any]) -> None:
    """Append the encoding of attributes, each as a KeyValue message in a field.

    Most spans have the same attributes as many spans before them, apart from a few whose values are hardly
    ever repeated. So the encoding of all other attributes is cached as a whole.
    """
    if _can_be_kept(attributes):
        try:
            parts += _encode_runs(tag, attributes)
        except ValueError:  # an attribute cannot be sent
            pass
        else:
            return
    add_each(parts, tag, attributes.items())


def encode_shared(tag: bytes, attributes: SharedAttributes) -> bytes:
    """Return the encoding of shared attributes, each as a KeyValue message in a field. It is kept."""
    encoded = attributes.encodings.get(tag)
    if encoded is None:
        parts: list[bytes] = []
        add_each(parts, tag, attributes.items())
        encoded = attributes.encodings[tag] = b"".join(parts)
    return encoded


def _encode_runs(tag: bytes, attributes: Mapping[str, Any]) -> list[bytes]:
    """Return the encodings of attributes. The encoding of each run without unique attributes is cached."""
    encoded: list[bytes] = []
    run: list[tuple[str, Any]] = []
    for pair in attributes.items():
        if pair[0] in _UNIQUE:
            if run:
                encoded.append(_keep_all(tag, tuple(run)))
                run = []
            encoded += tag, _pair(*pair)
        else:
            run.append(pair)
    if run:
        encoded.append(_keep_all(tag, tuple(run)))
    return encoded


def _can_be_kept(attributes: Mapping[str, Any]) -> bool:
    """Return whether the encoding of attributes may be cached.

    The key of the cache is made of their values. Equal values must have equal encodings, so there must be no
    float and no bool, which can be equal to an int. The values must not be long either.
    """
    length = 0
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            length += len(value)
        elif kind is tuple:
            if not _TEXT.issuperset(map(type, value)):
                return False
            length += sum(map(len, value))
        elif kind is not int:
            return False
    return length <= _MAX_KEPT_LENGTH


@lru_cache(CACHED)
def _keep_all(tag: bytes, items: tuple[tuple[str, Any], ...]) -> bytes:
    return b"".join([tag + _pair(key, value) for key, value in items])


def add_each(parts: list[bytes], tag: bytes, items: Iterable[tuple[str, Any]]) -> None:
    """Append the encoding of attributes, each as a KeyValue message in a field."""
    for key, value in items:
        try:
            if key in _UNIQUE:
                parts += tag, _pair(key, value)
            elif isinstance(value, int) or (isinstance(value, str) and len(value) <= _MAX_CACHED_LENGTH):
                parts += tag, _kept_pair(key, value)
            else:
                parts += tag, _pair(key, value)
        except (ValueError, TypeError) as error:
            _log.warning("attribute cannot be sent", extra={"key": key, "error": str(error)})


def _pair(key: str, value: Any) -> bytes:
    """Return the length of an encoded KeyValue message, followed by the message."""
    if type(value) is str:
        text = value.encode()
        return _text_head(key, len(text)) + text
    return _delimited(field(b"\x0a", key.encode()) + field(b"\x12", encode_value(value)))


@lru_cache(CACHED)
def _text_head(key: str, size: int) -> bytes:
    """Return the encoding of a KeyValue message, and of its length, up to the bytes of the text.

    Args:
        key: the key.
        size: the number of bytes of the text.
    """
    any_value = b"\x0a" + varint(size)
    head = field(b"\x0a", key.encode()) + b"\x12" + varint(len(any_value) + size) + any_value
    return varint(len(head) + size) + head


@lru_cache(CACHED, typed=True)
def _kept_pair(key: str, value: str | int) -> bytes:
    return _pair(key, value)


def encode_value(value: Any) -> bytes:
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
    return field(b"\x0a", value.encode())


def _encode_bool(value: bool) -> bytes:  # noqa: FBT001 - a value to encode
    return b"\x10\x01" if value else b"\x10\x00"


def _encode_int(value: int) -> bytes:
    if int(value) not in _INT64:  # `in` would try each number of the range for a subclass of int
        raise ValueError("the number does not fit in 64 bits")
    return b"\x18" + varint(value % _UINT64)


def _encode_float(value: float) -> bytes:
    return _DOUBLE.pack(0x21, value)


def _encode_bytes(value: bytes) -> bytes:
    return field(b"\x3a", value)


def _encode_sequence(values: Sequence[Any]) -> bytes:
    return field(b"\x2a", b"".join(field(b"\x0a", encode_value(one)) for one in values))


def _encode_mapping(values: Mapping[str, Any]) -> bytes:
    return field(b"\x32", b"".join(b"\x0a" + _pair(key, one) for key, one in values.items()))


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


def add_count(parts: list[bytes], tag: bytes, count: int) -> None:
    """Append the encoding of a number, unless it is 0."""
    if count:
        parts += tag, varint(count)


def field(tag: bytes, data: bytes) -> bytes:
    """Return the encoding of a field whose value has a length: a text, bytes or a message."""
    return tag + _delimited(data)


def _delimited(data: bytes) -> bytes:
    size = len(data)
    return (_SIZES[size] if size < _KEPT_SIZES else varint(size)) + data


@lru_cache(CACHED)
def varint(number: int) -> bytes:
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


_KEPT_SIZES = 1024
_SIZES = [varint(size) for size in range(_KEPT_SIZES)]
