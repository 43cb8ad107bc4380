"""Functions that return facts about one field.

The facts describe the values of the field, and how JSON and request parameters can set
the field.
"""

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
"""The C++ type of an integer field → the lowest and the highest value of the type."""

_64_BITS = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a map. In a descriptor, a map is a repeated field of map entries."""
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def entry_of(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """Return the two fields of a map's entries: the key field and the value field."""
    entry = field.message_type
    if entry is None:
        raise TypeError(f"{field.full_name} is not a map")
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """Return the value field of the entries if a field is a map. Return all other fields unchanged."""
    return entry_of(field)[1] if is_map(field) else field


def leaf_field(field: FieldDescriptor) -> FieldDescriptor:
    """Return the inner field if the type of a field is a wrapper. Return all other fields unchanged."""
    kind = field.message_type
    return kind.fields_by_name["value"] if kind is not None and kind.full_name in WRAPPERS else field


def nested_message(field: FieldDescriptor) -> Descriptor | None:
    """Return the message type of a field. Return None if JSON does not set the type's fields one by one."""
    kind = field.message_type
    return None if kind is None or field.is_repeated or kind.full_name in SPECIAL_IN_JSON else kind


def fits_parameter(field: FieldDescriptor) -> bool:
    """Return whether the text of a path or query parameter can contain one value of a field."""
    kind = value_field(field).message_type
    return kind is None or kind.full_name in SCALAR_IN_JSON


def is_64_bit(field: FieldDescriptor) -> bool:
    """Return whether a field is an integer of 64 bits. JSON represents such an integer as a string."""
    return field.cpp_type in _64_BITS


def other_members(field: FieldDescriptor) -> list[FieldDescriptor]:
    """Return the other fields of a field's oneof. The list is empty if the field is in no oneof."""
    oneof = field.containing_oneof
    return [one for one in oneof.fields if one.name != field.name] if oneof is not None else []
