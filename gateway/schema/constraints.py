"""The constraints that the yandex.cloud options of fields and oneofs define.

The public API definitions write ranges in these forms: `2-63`, `<=50`, `20`, `0,8,16`,
`-1-100`, `0.0-1.0`, `1h-24h`, `19700101T000000.000000000-…`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from gateway.schema.errors import SchemaError, field_fault
from gateway.schema.pool import options_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor, OneofDescriptor

_PREFIX = "yandex.cloud."
# A Duration is exact. Fractions are used because floats are not exact: 0.001 * 1001 is not 1.001.
_UNITS_S = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_TIMESTAMP = r"[0-9]{8}T[0-9]{6}(?:\.[0-9]+)?"
_BOUND = rf"(?:{_TIMESTAMP}|-?[0-9]+(?:\.[0-9]+)?(?:ms|[smhd])?)"
_ONE = re.compile(_BOUND)
_INTERVAL = re.compile(rf"({_BOUND})\s*-\s*({_BOUND})")
_COMPARISON = re.compile(rf"(<=|>=|<|>)\s*({_BOUND})")


Number: TypeAlias = float | Fraction


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers from `low` to `high`. An end of the interval is not included if it is open."""

    low: Number
    high: Number
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, number: Number) -> bool:
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that an option allows.

    Attributes:
        text: the text of the option.
        intervals: the intervals of allowed numbers. A number is allowed if at least one interval contains it.
    """

    text: str
    intervals: tuple[Interval, ...]

    def __contains__(self, number: Number) -> bool:
        return any(number in interval for interval in self.intervals)


def parse_range(text: str) -> Range:
    """Parse a range. A duration is converted to seconds, and a timestamp to seconds of Unix time.

    Raises:
        ValueError: the text is not a range.
    """
    try:
        return Range(text, tuple(_parse_interval(part.strip()) for part in text.split(",")))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a range") from error


def _parse_interval(text: str) -> Interval:
    if match := _COMPARISON.fullmatch(text):
        bound = _parse_bound(match[2])
        if match[1].startswith("<"):
            return Interval(-math.inf, bound, high_open=match[1] == "<")
        return Interval(bound, math.inf, low_open=match[1] == ">")
    if match := _INTERVAL.fullmatch(text):
        low, high = _parse_bound(match[1]), _parse_bound(match[2])
        if low > high:
            raise ValueError(text)
        return Interval(low, high)
    if _ONE.fullmatch(text):
        bound = _parse_bound(text)
        return Interval(bound, bound)
    raise ValueError(text)


def _parse_bound(text: str) -> Number:
    if "T" in text:
        whole = datetime.strptime(text[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
        return Fraction(int(whole)) + Fraction(f"0{text[15:]}")
    number = text.rstrip("".join(_UNITS_S))
    if unit := text[len(number) :]:
        return Fraction(number) * _UNITS_S[unit]
    return float(number) if "." in number else int(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConstraints:
    """The constraints of the keys of a map. A constraint is None if it is not set."""

    pattern: str | None
    length: Range | None
    value: Range | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConstraints:
    """The constraints of one field. A constraint is None or False if its option is not set.

    Attributes:
        required: whether the field has to be set.
        pattern: the RE2 expression that the whole value has to match.
        length: the allowed length in code points (for a string) or in bytes (for a bytes value).
        value: the allowed values of a number, a Duration or a Timestamp.
        bytes: the allowed size of the encoded value in bytes.
        size: the allowed number of elements of a repeated field or a map.
        unique: whether all elements of a list have to be different.
        key: the constraints of the keys of a map.
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
    """Return the constraints of a field, or None if the field has no constraints.

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
    except ValueError as error:
        raise SchemaError([field_fault(field, str(error))]) from error
    return constraints if constraints != _NOTHING else None


def describe_size(count: int, size: Range) -> str:
    """Describe the violation that a list or map has a wrong number of elements."""
    return f"has {count} elements; the number of elements must be {size.text}"


def describe_elements(limit: int) -> str:
    """Describe the violation that a request has more elements than the limit allows."""
    return f"has too many elements: the lists and maps of one request may have {limit} together; send fewer"


def requires_one(oneof: OneofDescriptor) -> bool:
    """Return whether exactly one field of a oneof must be set."""
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
