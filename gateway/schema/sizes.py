"""The maximum sizes that the constraints of a field allow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.schema.constraints import read_constraints
from gateway.schema.fields import entry_of, is_map

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

    from gateway.schema.constraints import FieldConstraints, Range


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSizes:
    """The maximum sizes of a field in a valid protobuf message. None means that there is no limit.

    Attributes:
        text: the maximum number of characters of a text, or the maximum number of bytes of a bytes value. In
            a list or map, the maximum applies to each value.
        key: the maximum number of characters of a map key.
        elements: the maximum number of elements of a list or map.
    """

    text: int | None
    key: int | None
    elements: int | None


def read_sizes(field: FieldDescriptor) -> FieldSizes:
    """Return the maximum sizes of a field.

    `text` is 0 if the values are neither texts nor bytes values. `key` is 0 if the field has no text keys.

    Raises:
        SchemaError: an option of the field cannot be read.
    """
    constraints = read_constraints(field)
    key, value = entry_of(field) if is_map(field) else (None, field)
    return FieldSizes(
        text=_text_size(value, constraints.length, constraints.bytes) if constraints else _text_size(value),
        key=_key_size(key, constraints) if key is not None else 0,
        elements=_highest(constraints.size) if constraints else None,
    )


def _text_size(field: FieldDescriptor, *allowed: Range | None) -> int | None:
    if field.type not in {field.TYPE_STRING, field.TYPE_BYTES}:
        return 0
    return min((high for one in allowed if (high := _highest(one)) is not None), default=None)


def _key_size(key: FieldDescriptor, constraints: FieldConstraints | None) -> int | None:
    return _text_size(key, constraints.key.length if constraints and constraints.key else None)


def _highest(allowed: Range | None) -> int | None:
    if allowed is None:
        return None
    high = max(interval.high for interval in allowed.intervals)
    return None if math.isinf(high) else int(high)
