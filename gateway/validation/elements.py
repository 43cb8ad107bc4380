"""Counts the elements in all lists and maps of a request.

Each element of a request costs time when constraints are checked, policies are evaluated
and the decision is logged. A request of 64 KiB may have tens of thousands of elements.
Therefore the elements are counted first. The count is the sum of the lengths of all lists
and maps. Counting stops when the limit is exceeded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.errors import FieldViolation
from gateway.schema import (
    Range,
    SchemaError,
    describe_elements,
    descriptor_of,
    is_map,
    read_constraints,
    show_key,
    value_field,
)
from gateway.schema.well_known import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

_MAX_PACKED = 32


class _Step(NamedTuple):
    """A field in which elements are counted. It is a list or map, or its message can contain lists or maps.

    Attributes:
        name: the name of the field.
        is_map: whether the field is a map.
        is_repeated: whether the field is a list or a map.
        size: the size constraint of the field; None if there is no constraint. If the field violates the
            constraint, the elements are not counted, because the validator reports the violation.
        inner: the message type of the field's values; None if the values are scalars.
    """

    name: str
    is_map: bool
    is_repeated: bool
    size: Range | None
    inner: _Type | None


class _Type:
    """A message type, and the fields of the type in which elements are counted."""

    __slots__ = ("is_any", "make", "steps")

    def __init__(self, descriptor: Descriptor) -> None:
        self.make: Any = message_factory.GetMessageClass(descriptor)
        self.is_any = descriptor.full_name == ANY
        self.steps: tuple[_Step, ...] = ()


class ElementCounter:
    """Counts the elements in protobuf messages of one schema, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._types: dict[str, _Type] = {}
        self._classes: dict[type[Message], _Type] = {}  # of the messages in which elements were counted

    def find_excess(self, message: Message) -> FieldViolation | None:
        """Return a violation if a message has more elements than the limit allows. If not, return None."""
        kind = type(message)
        known = self._classes.get(kind)
        if known is None:
            known = self._classes[kind] = self.type_of(descriptor_of(message))
        if not known.steps and not known.is_any:
            return None
        path = _Count(self, self._limit).enter(known, message)
        if path is None:
            return None
        return FieldViolation(field=path, description=describe_elements(self._limit), reason="SIZE")

    def type_of(self, descriptor: Descriptor) -> _Type:
        """Return the compiled form of a message type. The form is compiled on first use."""
        known = self._types.get(descriptor.full_name)
        if known is None:
            # The type is stored before its fields are compiled, because a type may contain itself.
            known = self._types[descriptor.full_name] = _Type(descriptor)
            known.steps = tuple(self._steps(descriptor))
        return known

    def packed_type(self, packed: Any) -> _Type | None:
        """Return the type of the message in an Any, or None if the type is unknown."""
        name = packed.type_url.rpartition("/")[2]
        known = self._types.get(name)
        if known is None:
            try:
                known = self.type_of(packed.DESCRIPTOR.file.pool.FindMessageTypeByName(name))
            except KeyError:
                return None
        return known

    def _steps(self, descriptor: Descriptor) -> Iterable[_Step]:
        for field in descriptor.fields:
            kind = value_field(field).message_type
            inner = self.type_of(kind) if kind is not None else None
            size = _size_of(field)
            # A size constraint limits the number of elements, but not the lists that the elements contain.
            if inner is not None or (field.is_repeated and size is None):
                yield _Step(field.name, is_map(field), field.is_repeated, size, inner)


class _Count:
    """Counts the elements in one protobuf message."""

    def __init__(self, counter: ElementCounter, limit: int) -> None:
        self._counter = counter
        self._remaining = limit
        self._depth = 0

    def enter(self, kind: _Type, message: Any) -> str | None:
        """Return the path of the list or map that exceeds the limit, or None if the limit is not exceeded."""
        if kind.is_any:
            return self._unpack(message)
        for step in kind.steps:
            if step.is_repeated:
                path = self._count(step, getattr(message, step.name))
            elif step.inner is not None and message.HasField(step.name):
                path = _join(step.name, self.enter(step.inner, getattr(message, step.name)))
            else:
                continue
            if path is not None:
                return path
        return None

    def _count(self, step: _Step, values: Any) -> str | None:
        count = len(values)
        if not count or (step.size is not None and count not in step.size):
            return None
        self._remaining -= count
        if self._remaining < 0:
            return step.name
        if step.inner is None or not (step.inner.steps or step.inner.is_any):
            return None
        for key, value in values.items() if step.is_map else enumerate(values):
            path = self.enter(step.inner, value)
            if path is not None:
                return _join(f"{step.name}[{show_key(key)}]", path)
        return None

    def _unpack(self, packed: Any) -> str | None:
        """Count the elements of the message in an Any, because the decision log contains this message."""
        if self._depth == _MAX_PACKED:
            return None
        kind = self._counter.packed_type(packed)
        if kind is None or not (kind.steps or kind.is_any):
            return None
        try:
            message = kind.make.FromString(packed.value)
        except DecodeError:
            return None
        self._depth += 1
        path = self.enter(kind, message)
        self._depth -= 1
        return None if path is None else ""


def _join(prefix: str, path: str | None) -> str | None:
    if path is None:
        return None
    return f"{prefix}.{path}" if path else prefix


def _size_of(field: FieldDescriptor) -> Range | None:
    """Return the size constraint of a field, or None if the field has no readable size constraint.

    The validator reports a constraint that cannot be read.
    """
    try:
        constraints = read_constraints(field)
    except SchemaError:
        return None
    return constraints.size if constraints else None
