"""The yandex.cloud field options, read into values.

Facts of the notation come from the public API definitions: `2-63`, `<=50`, `20`,
`0,8,16`, `-1-100`, `0.0-1.0`, `1h-24h`, `19700101T000000.000000000-…`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.schema.pool import SchemaError, options_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor, OneofDescriptor

_PREFIX = "yandex.cloud."
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TIMESTAMP = r"\d{8}T\d{6}(?:\.\d+)?"
_BOUND = rf"(?:{_TIMESTAMP}|-?\d+(?:\.\d+)?(?:ms|[smhd])?)"
_ONE = re.compile(_BOUND)
_SPAN = re.compile(rf"({_BOUND})-({_BOUND})")
_COMPARISON = re.compile(rf"(<=|>=|<|>)({_BOUND})")


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from low to high; the ends belong to it unless it is open."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, number: float) -> bool:
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that an option allows.

    Attributes:
        text: as the option writes it.
        spans: the number has to lie in one of them.
    """

    text: str
    spans: tuple[Span, ...]

    def __contains__(self, number: float) -> bool:
        return any(number in span for span in self.spans)


def parse_range(text: str) -> Range:
    """Read a range option. Durations count in seconds, timestamps in seconds of Unix time.

    Raises:
        SchemaError: it is of no known form.
    """
    try:
        return Range(text, tuple(_parse_span(part.strip()) for part in text.split(",")))
    except ValueError as error:
        raise SchemaError([f"{text!r} is no range"]) from error


def _parse_span(text: str) -> Span:
    if match := _COMPARISON.fullmatch(text):
        bound = _parse_bound(match[2])
        if match[1].startswith("<"):
            return Span(-math.inf, bound, high_open=match[1] == "<")
        return Span(bound, math.inf, low_open=match[1] == ">")
    if match := _SPAN.fullmatch(text):
        return Span(_parse_bound(match[1]), _parse_bound(match[2]))
    if _ONE.fullmatch(text):
        bound = _parse_bound(text)
        return Span(bound, bound)
    raise ValueError(text)


def _parse_bound(text: str) -> float:
    if "T" in text:
        return datetime.strptime(text[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    match = re.fullmatch(r"(-?[\d.]+)([a-z]*)", text)
    if match is None:
        raise ValueError(text)
    number = float(match[1]) if "." in match[1] else int(match[1])
    return number * _UNITS_S[match[2]] if match[2] else number


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConstraints:
    """What the keys of a map have to be like."""

    pattern: str | None
    length: Range | None
    value: Range | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConstraints:
    """What the options of one field ask for; None where nothing is asked.

    Attributes:
        pattern: RE2 expression for the whole value.
        length: of a string in code points, of bytes in bytes.
        value: of a number, a Duration or a Timestamp.
        bytes: of the encoded value.
        size: of a repeated field or a map, in elements.
    """

    required: bool
    pattern: str | None
    length: Range | None
    value: Range | None
    bytes: Range | None
    size: Range | None
    unique: bool
    key: KeyConstraints | None


def read_constraints(field: FieldDescriptor) -> FieldConstraints | None:
    """Return a field's constraints, or None when it has none.

    Raises:
        SchemaError: an option cannot be read.
    """
    options = {name.removeprefix(_PREFIX): value for name, value in options_of(field).items()}
    try:
        constraints = FieldConstraints(
            required=options.get("required", False),
            pattern=options.get("pattern"),
            length=_range(options.get("length")),
            value=_range(options.get("value")),
            bytes=_range(options.get("bytes")),
            size=_range(options.get("size")),
            unique=options.get("unique", False),
            key=_key_constraints(options.get("map_key")),
        )
    except SchemaError as error:
        raise SchemaError(f"{field.full_name}: {fault}" for fault in error.faults) from error
    return constraints if constraints != _NOTHING else None


def requires_one(oneof: OneofDescriptor) -> bool:
    """Tell whether one member of a oneof has to be set."""
    return bool(options_of(oneof).get(f"{_PREFIX}exactly_one", False))


def _range(text: str | None) -> Range | None:
    return parse_range(text) if text else None


def _key_constraints(spec: object) -> KeyConstraints | None:
    if spec is None:
        return None
    texts = {name: getattr(spec, name) or None for name in ("pattern", "length", "value")}
    return KeyConstraints(
        pattern=texts["pattern"], length=_range(texts["length"]), value=_range(texts["value"])
    )


_NOTHING = FieldConstraints(
    required=False, pattern=None, length=None, value=None, bytes=None, size=None, unique=False, key=None
)
