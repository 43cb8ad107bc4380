"""Paths of field names, as `network.address`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.quoting import quote
from gateway.schema.fields import nested_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor


def find_fields(descriptor: Descriptor, names: Sequence[str]) -> tuple[FieldDescriptor, ...] | None:
    """Return the fields on a path, or None if it does not lead to a field that JSON can set.

    Args:
        descriptor: type of the message that the path begins at.
        names: as the .proto file has them.
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
    """Return the key of a map, or an index, as field paths show it."""
    return quote(key) if isinstance(key, str) else str(key).lower()
