"""JSON values → scalar field values, exactly as the JSON mapping allows.

https://protobuf.dev/programming-guides/json/. Each reader returns the value in
the form that json_format takes without a choice of its own, or raises Unfit.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.masking import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import EnumDescriptor

_ENUM_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}", re.ASCII)
_NON_FINITE = {"NaN", "Infinity", "-Infinity"}
_MAX_DIGITS = 400  # more than any number type holds


class UnfitError(ValueError):
    """A JSON value is not one that the field takes; the text says what it takes."""


def show(value: Any) -> str:
    """Return a JSON value as a message may show it."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else str(value)[:32]


def read_integer(low: int, high: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers from low to high: numbers, or decimal text as for 64 bits."""

    def read(value: Any) -> int:
        number = _whole(value)
        if number is None:
            raise UnfitError(f"{show(value)} is not a whole number")
        if not low <= number <= high:
            raise UnfitError(f"{show(value)} is out of range; it must be from {low} to {high}")
        return number

    return read


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        try:
            value = Decimal(value)
        except InvalidOperation:  # an exponent of twenty digits
            return None
    if isinstance(value, Decimal):
        if value.adjusted() > _MAX_DIGITS or value != value.to_integral_value():
            return None
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_double(value: Any) -> float | str:
    """Read a 64-bit floating point number; what is not finite stays the text that it is written as."""
    if isinstance(value, str):
        if value in _NON_FINITE:
            return value
        is_number = _NUMBER.fullmatch(value) is not None
    else:
        is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    if not is_number:
        raise UnfitError(f"{show(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise UnfitError(f"{show(value)} is out of range")
    return number


def read_float(value: Any) -> float | str:
    """Read a 32-bit floating point number."""
    number = read_double(value)
    if isinstance(number, str):
        return number
    try:
        # Rounded as the field will hold it: the shortest text of the largest float lies above it.
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError as error:
        raise UnfitError(f"{show(value)} is out of range") from error


def read_bool(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise UnfitError(f"{show(value)} is not true or false")
    return value


def read_string(value: Any) -> str:
    """Read text."""
    if not isinstance(value, str):
        raise UnfitError(f"{show(value)} is not a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnfitError("has an unpaired surrogate; write Unicode text") from error
    return value


def read_bytes(value: Any) -> str:
    """Read base64 of either alphabet, padded or not; return it in the standard form."""
    if not isinstance(value, str) or not _BASE64.fullmatch(value):
        raise UnfitError(f"{show(value)} is not base64 text")
    digits = value.rstrip("=").replace("-", "+").replace("_", "/")
    padded = digits + "=" * (-len(digits) % 4)
    if len(value) != len(digits) and len(value) != len(padded):
        raise UnfitError(f"{show(value)} is not base64 text: its padding is wrong")
    try:
        decoded = base64.b64decode(padded, validate=True)
    except binascii.Error as error:
        raise UnfitError(f"{show(value)} is not base64 text") from error
    return base64.b64encode(decoded).decode()


def read_enum(enum: EnumDescriptor) -> Callable[[Any], str | int]:
    """Return a reader of an enum's values: by name, or by number."""
    by_number = read_integer(-(2**31), 2**31 - 1)
    names = [one.name for one in enum.values]

    def read(value: Any) -> str | int:
        if isinstance(value, str):
            if value not in names:
                raise UnfitError(f"{show(value)} is not accepted; use one of: {', '.join(names)}")
            return value
        number = by_number(value)
        if enum.is_closed and number not in enum.values_by_number:
            raise UnfitError(f"{number} is not accepted; use one of: {', '.join(names)}")
        return number

    return read


_INT32 = read_integer(-(2**31), 2**31 - 1)
_INT64 = read_integer(-(2**63), 2**63 - 1)
_UINT32 = read_integer(0, 2**32 - 1)
_UINT64 = read_integer(0, 2**64 - 1)

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
"""Type of a field → its reader; enums have read_enum."""


def read_scalar(field: FieldDescriptor, value: Any) -> Any:
    """Read the value of a field that is no message.

    Raises:
        UnfitError: the field does not take the value.
    """
    if field.enum_type is not None:
        return read_enum(field.enum_type)(value)
    return SCALAR_READERS[field.type](value)


def parse_text(field: FieldDescriptor, text: str) -> Any:
    """Return the JSON value that a parameter's text stands for; the field's reader judges it."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.enum_type is not None and _ENUM_NUMBER.fullmatch(text):
        return int(text)
    return text
