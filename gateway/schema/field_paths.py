"""Paths of field names, such as `network.address`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.quoting import quote
from gateway.schema.fields import nested_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor


def find_fields(descriptor: Descriptor, names: Sequence[str]) -> tuple[FieldDescriptor, ...] | None:
    """Return the fields on a path of field names. Return None if JSON cannot set a field at this path.

    Args:
        descriptor: the message type where the path starts.
        names: the field names on the path, as in the .proto file.
    """
    fields: list[FieldDescriptor] = []
    inner: Descriptor | None = descriptor
    for name in names:
        field = inner.fields_by_name.get(name) if inner is not None else None
        if field is None:
            return None
        fields.append(field)
        inner = nested_message(field)
    return tuple(fields)


def show_key(key: object) -> str:
    """Return the text form of a map key or a list index in a field path."""
    return quote(key) if isinstance(key, str) else str(key).lower()
