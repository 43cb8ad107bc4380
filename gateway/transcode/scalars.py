"""Conversion of JSON values to the values of scalar fields.

The readers accept exactly the values that the JSON mapping of protobuf allows. See
https://protobuf.dev/programming-guides/json/. Each reader returns the value for the field, or
raises UnfitError. The time that a reader takes is linear in the length of the value's text.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
import sys
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.quoting import quote
from gateway.schema import INTEGER_RANGES
from gateway.transcode.json_text import JsonNumber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from google.protobuf.descriptor import EnumDescriptor

_ENUM_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)
_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}", re.ASCII)
_NON_FINITE = {"NaN", "Infinity", "-Infinity"}
_MAX_DIGITS = 40  # more digits than any integer type has
_MAX_SHOWN = 32
_MAX_NAMES = 20
_MAX_EXPONENT_DIGITS = 9
_FLOAT_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


class UnfitError(ValueError):
    """A JSON value does not fit the field. The error message describes the values that fit."""


def show(value: Any) -> str:
    """Return a JSON value as text for an error message."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = value.text if isinstance(value, JsonNumber) else str(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def list_names(names: Iterable[str]) -> str:
    """Return names as text for an error message.

    If there are very many names, the text has only the first names, and the number of the remaining names.
    """
    every = list(names)
    more = len(every) - _MAX_NAMES
    return ", ".join([*every[:_MAX_NAMES], *([f"and {more} more"] if more > 0 else [])])


def read_integer(low: int, high: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers from `low` to `high`. The JSON value may be a number or a string."""

    def read(value: Any) -> int:
        # In Python, bool is a subclass of int. In JSON, true and false are not numbers.
        number = value if type(value) is int else _whole(value)
        if number is None:
            raise UnfitError(f"{show(value)} is not a whole number")
        if not low <= number <= high:
            raise UnfitError(f"{show(value)} is out of range; it must be from {low} to {high}")
        return number

    return read


def _whole(value: Any) -> int | None:
    """Return a JSON value as a whole number, or None if the value is not a whole number.

    If the value has too many digits, return a number that is out of range for every integer type.
    """
    text = _text_of(value)
    match = _NUMBER.fullmatch(text) if text is not None else None
    if match is None:
        return None
    sign, whole, fraction, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    significant = digits.rstrip("0")
    shift = _exponent(exponent) - len(fraction) + len(digits) - len(significant)
    if shift < 0:
        return None
    if len(significant) + shift > _MAX_DIGITS:
        significant, shift = "1", _MAX_DIGITS
    number: int = int(significant) * 10**shift
    return -number if sign else number


def _exponent(text: str) -> int:
    """Convert the text of an exponent to an int.

    A very large exponent is replaced by a maximum. This maximum is greater than the number of digits that a
    request can have.
    """
    digits = text.lstrip("+-").lstrip("0")
    size = int(digits or "0") if len(digits) <= _MAX_EXPONENT_DIGITS else 10**_MAX_EXPONENT_DIGITS
    return -size if text.startswith("-") else size


def _text_of(value: Any) -> str | None:
    if isinstance(value, JsonNumber):
        return value.text
    return value if isinstance(value, str) else None


def read_double(value: Any) -> float:
    """Convert a JSON value to a 64-bit floating point number."""
    return _read_real(value, sys.float_info.max)


def read_float(value: Any) -> float:
    """Convert a JSON value to a 32-bit floating point number."""
    number = _read_real(value, _FLOAT_MAX)
    try:
        # The number is rounded to 32 bits, because the field stores 32 bits. Without rounding, a range check
        # would refuse the shortest text of the largest float: this text is a slightly greater number.
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError as error:
        raise _out_of_range(value, _FLOAT_MAX) from error


def _read_real(value: Any, largest: float) -> float:
    if type(value) is int:
        try:
            return float(value)
        except OverflowError as error:
            raise _out_of_range(value, largest) from error
    text = _text_of(value)
    if text is None or not (_NUMBER.fullmatch(text) or (text in _NON_FINITE and isinstance(value, str))):
        raise UnfitError(f"{show(value)} is not a number")
    number = float(text)
    if math.isinf(number) and text not in _NON_FINITE:
        raise _out_of_range(value, largest)
    return number


def _out_of_range(value: Any, largest: float) -> UnfitError:
    return UnfitError(f"{show(value)} is out of range; it must be from {-largest!r} to {largest!r}")


def read_bool(value: Any) -> bool:
    """Return a JSON value that is true or false; raise UnfitError for any other value."""
    if not isinstance(value, bool):
        raise UnfitError(f"{show(value)} is not true or false")
    return value


def read_string(value: Any) -> str:
    """Return a JSON string; raise UnfitError for any other value, and for an unpaired surrogate."""
    if not isinstance(value, str):
        raise UnfitError(f"{show(value)} is not a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnfitError("has an unpaired surrogate; write Unicode text") from error
    return value


def read_bytes(value: Any) -> bytes:
    """Decode base64 text. Both the standard and the URL-safe alphabet are accepted. Padding is optional."""
    if not isinstance(value, str) or not _BASE64.fullmatch(value):
        raise UnfitError(f"{show(value)} is not base64 text")
    digits = value.rstrip("=").replace("-", "+").replace("_", "/")
    padded = digits + "=" * (-len(digits) % 4)
    if len(value) != len(digits) and len(value) != len(padded):
        raise UnfitError(f"{show(value)} is not base64 text: its padding is wrong")
    try:
        return base64.b64decode(padded, validate=True)
    except binascii.Error as error:
        raise UnfitError(f"{show(value)} is not base64 text") from error


def read_enum(enum: EnumDescriptor) -> Callable[[Any], int]:
    """Return a reader of the values of an enum. The JSON value may be the name or the number."""
    by_number = read_integer(*INTEGER_RANGES[FieldDescriptor.CPPTYPE_INT32])
    # The mapping `values_by_name` of the descriptor is not used, because it reads a name only up to a NUL.
    numbers = {one.name: one.number for one in enum.values}
    known = frozenset(numbers.values())
    is_closed, names = enum.is_closed, list_names(numbers)

    def read(value: Any) -> int:
        if isinstance(value, str):
            if value not in numbers:
                raise UnfitError(f"{show(value)} is not accepted; use one of: {names}")
            return numbers[value]
        number = by_number(value)
        if is_closed and number not in known:
            raise UnfitError(f"{number} is not accepted; use one of: {names}")
        return number

    return read


_INT32 = read_integer(*INTEGER_RANGES[FieldDescriptor.CPPTYPE_INT32])
_INT64 = read_integer(*INTEGER_RANGES[FieldDescriptor.CPPTYPE_INT64])
_UINT32 = read_integer(*INTEGER_RANGES[FieldDescriptor.CPPTYPE_UINT32])
_UINT64 = read_integer(*INTEGER_RANGES[FieldDescriptor.CPPTYPE_UINT64])

SCALAR_READERS: Mapping[int, Callable[[Any], Any]] = {
    FieldDescriptor.TYPE_DOUBLE: read_double,
    FieldDescriptor.TYPE_FLOAT: read_float,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_BOOL: read_bool,
    FieldDescriptor.TYPE_STRING: read_string,
    FieldDescriptor.TYPE_BYTES: read_bytes,
}
"""The readers of field values, keyed by the type of the field.

The reader of an enum field is not included, because each enum has its own reader: see `read_enum`.
"""


def scalar_reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    """Return the reader of the values of a scalar or enum field.

    The reader raises UnfitError for a value that does not fit the field.
    """
    return read_enum(field.enum_type) if field.enum_type is not None else SCALAR_READERS[field.type]


def parse_text(field: FieldDescriptor, text: str) -> Any:
    """Convert the text of a path variable or query parameter to a JSON value for the field's reader."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.enum_type is not None and _ENUM_NUMBER.fullmatch(text):
        return int(text)
    return text
