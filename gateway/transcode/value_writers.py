"""Writers: functions that convert field values to JSON values.

There are writers for scalars, enums, lists, maps and well-known types.

Each writer has two arguments: a value, and the number of Any messages that enclose the value. A writer
raises ValueError for a value that has no JSON form.
"""

from __future__ import annotations

import math
import struct
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from gateway.schema import is_64_bit
from gateway.schema.well_known import (
    DURATION,
    FIELD_MASK,
    LIST_VALUE,
    NULL_VALUE,
    STRUCT,
    TIMESTAMP,
    VALUE,
    WRAPPERS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor

ValueWriter: TypeAlias = Callable[[Any, int], Any]
"""A function that returns the JSON value of a field value.

The second argument is the number of Any messages that enclose the field value.
"""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - written with a Z
_FIRST_S, _LAST_S = -62135596800, 253402300799  # years 1 to 9999
_FLOAT = struct.Struct("<f")


def scalar_writer(field: FieldDescriptor) -> ValueWriter | None:
    """Return the writer of one value of a scalar or enum field, or None if no conversion is needed."""
    if field.enum_type is not None:
        return _enum_writer(field.enum_type)
    if is_64_bit(field):
        return _write_text
    return _SCALARS.get(field.type)


def special_writer(descriptor: Descriptor) -> ValueWriter | None:
    """Return the writer of a message type with a special JSON form.

    Return None if the JSON form of the type is an object with the type's fields.
    """
    if descriptor.full_name in WRAPPERS:
        inner = scalar_writer(descriptor.fields_by_name["value"])
        return (lambda value, depth: inner(value.value, depth)) if inner else (lambda value, _: value.value)
    return _SPECIAL.get(descriptor.full_name)


def list_writer(element: ValueWriter | None) -> ValueWriter:
    """Return the writer of a repeated field.

    Args:
        element: the writer of one element; None if the elements need no conversion.
    """
    if element is None:
        return lambda values, _: list(values)
    return lambda values, depth: [element(one, depth) for one in values]


def map_writer(key: FieldDescriptor, value: ValueWriter | None) -> ValueWriter:
    """Return the writer of a map field. It sorts the keys, whose order otherwise differs between processes.

    Args:
        key: the field of the map's keys.
        value: the writer of one value of the map; None if the values need no conversion.
    """
    name = _KEYS.get(key.type, str)
    if value is not None:
        return lambda entries, depth: {name(one): value(entries[one], depth) for one in sorted(entries)}
    if name is str:
        return lambda entries, _: {str(one): entries[one] for one in sorted(entries)}
    return lambda entries, _: {name(one): entries[one] for one in sorted(entries)}


def base64_text(value: bytes) -> str:
    """Return bytes as base64 text. This text is the JSON form of bytes."""
    return b64encode(value).decode()


def _write_text(value: int, _: int) -> str:
    return str(value)


def _write_bytes(value: bytes, _: int) -> str:
    return base64_text(value)


def _write_double(value: float, _: int) -> float | str:
    return value if math.isfinite(value) else _not_finite(value)


def _write_float(value: float, _: int) -> float | str:
    """Return a number with as few digits as possible. Rounded to 32 bits, the number equals the value."""
    if not math.isfinite(value):
        return _not_finite(value)
    for digits in (6, 7, 8):
        rounded = float(f"{value:.{digits}g}")
        if _FLOAT.unpack(_FLOAT.pack(rounded))[0] == value:
            return rounded
    return float(f"{value:.9g}")


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _enum_writer(enum: EnumDescriptor) -> ValueWriter:
    if enum.full_name == NULL_VALUE:
        return lambda _, __: None
    # Each enum number is looked up in the descriptor. If several enum values have the same number, the
    # descriptor returns the first enum value.
    names = {number: enum.values_by_number[number].name for number in enum.values_by_number}
    if not enum.is_closed:
        return lambda number, _: names.get(number, number)

    def write(number: int, _: int) -> str:
        if number not in names:
            raise ValueError(f"{number} is no value of {enum.full_name}")
        return names[number]

    return write


def _write_time(value: Any, _: int) -> str:
    seconds, nanos = value.seconds, value.nanos
    if nanos or not _FIRST_S <= seconds <= _LAST_S:
        return value.ToJsonString()  # type: ignore[no-any-return]
    return _second(seconds)


@lru_cache(maxsize=64)  # the times of a message are often equal, and those of messages of the same second
def _second(seconds: int) -> str:
    return f"{(_EPOCH + timedelta(0, seconds)).isoformat()}Z"


def _write_well_known(value: Any, _: int) -> str:
    """Write a Duration or a FieldMask. Both classes have the method ToJsonString."""
    return value.ToJsonString()  # type: ignore[no-any-return]


def _write_value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    one = getattr(value, kind)
    if kind == "struct_value":
        return _write_struct(one, depth)
    if kind == "list_value":
        return _write_list(one, depth)
    if kind == "number_value" and not math.isfinite(one):
        raise ValueError(f"a Value cannot be {_not_finite(one)}, which JSON would read as text")
    return one


def _write_struct(value: Any, depth: int) -> dict[str, Any]:
    fields = value.fields
    return {name: _write_value(fields[name], depth) for name in sorted(fields)}


def _write_list(value: Any, depth: int) -> list[Any]:
    return [_write_value(one, depth) for one in value.values]


def _bool_key(key: bool) -> str:  # noqa: FBT001 - the key of a map
    return "true" if key else "false"


_SCALARS: Mapping[int, ValueWriter] = {
    FieldDescriptor.TYPE_BYTES: _write_bytes,
    FieldDescriptor.TYPE_DOUBLE: _write_double,
    FieldDescriptor.TYPE_FLOAT: _write_float,
}
_SPECIAL: Mapping[str, ValueWriter] = {
    DURATION: _write_well_known,
    FIELD_MASK: _write_well_known,
    LIST_VALUE: _write_list,
    STRUCT: _write_struct,
    TIMESTAMP: _write_time,
    VALUE: _write_value,
}
_KEYS: Mapping[int, Callable[[Any], str]] = {FieldDescriptor.TYPE_BOOL: _bool_key}
