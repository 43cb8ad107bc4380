"""Faults in descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor


class SchemaError(FaultsError):
    """The descriptors have faults. A fault can contain a file name and the name of the faulty element."""


def field_fault(field: FieldDescriptor, message: str) -> Fault:
    """Return a fault in the definition of a field."""
    file: str = field.file.name  # type: ignore[attr-defined]  # the stubs lack it
    return Fault(Position(file), field.full_name, message)
