"""How many elements the lists and maps of a request have together.

Every later stage looks at each element: constraints, policies, the decision log.
A request of 64 KiB may hold tens of thousands, so they are counted first, by
their lists' lengths, and no list is entered beyond the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.errors import FieldViolation
from gateway.quoting import quote
from gateway.schema import (
    Range,
    SchemaError,
    describe_elements,
    descriptor_of,
    entry_of,
    is_map,
    read_constraints,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

_ANY = "google.protobuf.Any"
_MAX_PACKED = 32


class _Step(NamedTuple):
    """A field to look into.

    Attributes:
        size: that its constraint allows; what has another is refused for that, and not looked into.
        inner: type of the messages that it holds; None for scalars.
    """

    name: str
    is_map: bool
    is_repeated: bool
    size: Range | None
    inner: _Type | None


class _Type:
    """What can hold elements in one message type."""

    __slots__ = ("is_any", "make", "steps")

    def __init__(self, descriptor: Descriptor) -> None:
        self.make: Any = message_factory.GetMessageClass(descriptor)
        self.is_any = descriptor.full_name == _ANY
        self.steps: tuple[_Step, ...] = ()


class ElementCounter:
    """Counts the elements of messages, up to a limit; made with a schema, as its types are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._types: dict[str, _Type] = {}

    def find_excess(self, message: Message) -> FieldViolation | None:
        """Return the violation of a message with more elements than the limit."""
        path = _Count(self, self._limit).enter(self.type_of(descriptor_of(message)), message)
        if path is None:
            return None
        return FieldViolation(field=path, description=describe_elements(self._limit), reason="SIZE")

    def type_of(self, descriptor: Descriptor) -> _Type:
        """Return what can hold elements in a message type."""
        known = self._types.get(descriptor.full_name)
        if known is None:
            # Entered before its fields are: types may hold themselves.
            known = self._types[descriptor.full_name] = _Type(descriptor)
            known.steps = tuple(self._steps(descriptor))
        return known

    def packed_type(self, packed: Any) -> _Type | None:
        """Return the type of what an Any holds, or None if it is not known."""
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
            kind = entry_of(field)[1].message_type if is_map(field) else field.message_type
            inner = self.type_of(kind) if kind is not None else None
            size = _size_of(field)
            # A list with a constraint of its own is bounded by that; only what its elements hold may not be.
            if inner is not None or (field.is_repeated and size is None):
                yield _Step(field.name, is_map(field), field.is_repeated, size, inner)


class _Count:
    """The count of one message."""

    def __init__(self, counter: ElementCounter, room: int) -> None:
        self._counter = counter
        self._room = room
        self._depth = 0

    def enter(self, kind: _Type, message: Any) -> str | None:
        """Return the path to the list or map with which the message has too many elements, or None."""
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
        self._room -= count
        if self._room < 0:
            return step.name
        if step.inner is None or not (step.inner.steps or step.inner.is_any):
            return None
        for key, value in values.items() if step.is_map else enumerate(values):
            path = self.enter(step.inner, value)
            if path is not None:
                return _join(f"{step.name}[{show_key(key)}]", path)
        return None

    def _unpack(self, packed: Any) -> str | None:
        """Count what an Any holds: the decision log shows it."""
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


def show_key(key: object) -> str:
    """Return the key of a map, or an index, as the path of a field shows it."""
    return quote(key) if isinstance(key, str) else str(key).lower()


def _join(prefix: str, path: str | None) -> str | None:
    if path is None:
        return None
    return f"{prefix}.{path}" if path else prefix


def _size_of(field: FieldDescriptor) -> Range | None:
    """Return how many elements a field may have; an option that cannot be read the validator refuses."""
    try:
        constraints = read_constraints(field)
    except SchemaError:
        return None
    return constraints.size if constraints else None
