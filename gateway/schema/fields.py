"""Facts about one field: its values, and the JSON and the parameters that can set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from gateway.schema.well_known import SCALAR_IN_JSON, SPECIAL_IN_JSON, WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor

INTEGER_RANGES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
"""C++ type of an integer field → its lowest and its highest value."""

_64_BITS = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a map, which descriptors write as repeated entries."""
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def entry_of(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """Return the fields of a map's keys and values."""
    entry = field.message_type
    if entry is None:
        raise TypeError(f"{field.full_name} is not a map")
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field that describes one value: the field itself, or the value of a map."""
    return entry_of(field)[1] if is_map(field) else field


def leaf_field(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field that describes a scalar: the one inside a wrapper, or the field itself."""
    kind = field.message_type
    return kind.fields_by_name["value"] if kind is not None and kind.full_name in WRAPPERS else field


def nested_message(field: FieldDescriptor) -> Descriptor | None:
    """Return the message type whose fields JSON can set one by one; None if the field is set as a whole."""
    kind = field.message_type
    return None if kind is None or field.is_repeated or kind.full_name in SPECIAL_IN_JSON else kind


def fits_parameter(field: FieldDescriptor) -> bool:
    """Return whether the text of a path or query parameter can hold one value of a field."""
    kind = value_field(field).message_type
    return kind is None or kind.full_name in SCALAR_IN_JSON


def is_64_bit(field: FieldDescriptor) -> bool:
    """Return whether a field is an integer of 64 bits, which JSON writes as text."""
    return field.cpp_type in _64_BITS


def other_members(field: FieldDescriptor) -> list[FieldDescriptor]:
    """Return the other members of the oneof that a field belongs to; empty when it is in none."""
    oneof = field.containing_oneof
    return [one for one in oneof.fields if one.name != field.name] if oneof is not None else []
