"""Requests against the constraints of their descriptors.

A validator is compiled once per message type. A field that is not set breaks
nothing but `required`; of the fields that are set, every violation is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.masking import quote
from gateway.schema import (
    FieldConstraints,
    SchemaError,
    descriptor_of,
    entry_of,
    is_map,
    read_constraints,
    requires_one,
)
from gateway.validation.checks import (
    FieldCheck,
    ValueCheck,
    Violations,
    bytes_check,
    number_check,
    oneof_check,
    required_check,
    seconds_check,
    size_check,
    text_checks,
    unique_check,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from gateway.errors import FieldViolation
    from gateway.schema import Schema

_WRAPPERS = "google.protobuf."
_SECONDS = {"google.protobuf.Duration", "google.protobuf.Timestamp"}


class Validator:
    """Checks messages of every type that a schema's methods take.

    Raises:
        SchemaError: when made, if an option of any request type cannot be read.
    """

    def __init__(self, schema: Schema) -> None:
        self._types: dict[str, _MessageValidator] = {}
        faults: list[str] = []
        for method in schema.methods.values():
            try:
                self._of(descriptor_of(method.request))
            except SchemaError as error:
                faults += error.faults
        if faults:
            raise SchemaError(dict.fromkeys(faults))

    def validate(self, message: Message) -> list[FieldViolation]:
        """Return every violation, in the order of the fields; empty when the message is valid."""
        return list(self._of(descriptor_of(message)).check(message, ""))

    def _of(self, descriptor: Descriptor) -> _MessageValidator:
        validator = self._types.get(descriptor.full_name)
        if validator is None:
            # Entered before it is compiled: types may hold themselves.
            validator = self._types[descriptor.full_name] = _MessageValidator()
            try:
                validator.checks = tuple(_compile_message(descriptor, self._of))
            except SchemaError:
                del self._types[descriptor.full_name]
                raise
        return validator


class _MessageValidator:
    """The checks of one message type."""

    __slots__ = ("checks",)

    def __init__(self) -> None:
        self.checks: tuple[FieldCheck, ...] = ()

    def check(self, message: Message, prefix: str) -> Violations:
        for check in self.checks:
            yield from check(message, prefix)


_Compiled: TypeAlias = "Callable[[Descriptor], _MessageValidator]"


def _compile_message(descriptor: Descriptor, compiled: _Compiled) -> Iterable[FieldCheck]:
    faults: list[str] = []
    for field in descriptor.fields:
        try:
            yield from _field_checks(field, read_constraints(field), compiled)
        except SchemaError as error:
            faults += error.faults
    if faults:
        raise SchemaError(faults)
    for oneof in descriptor.oneofs:
        if requires_one(oneof):
            yield oneof_check(oneof)


def _field_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[FieldCheck]:
    if is_map(field):
        return _map_checks(field, constraints, compiled)
    if field.is_repeated:
        return _repeated_checks(field, constraints, compiled)
    return _singular_checks(field, constraints, compiled)


def _singular_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[FieldCheck]:
    name, has_presence = field.name, field.has_presence
    if constraints and constraints.required:
        yield required_check(field)
    value_checks = tuple(_value_checks(field, constraints, compiled))
    if not value_checks:
        return

    def check(message: Message, prefix: str) -> Violations:
        value = getattr(message, name)
        if message.HasField(name) if has_presence else value:
            for value_check in value_checks:
                yield from value_check(value, prefix + name)

    yield check


def _repeated_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[FieldCheck]:
    name = field.name
    yield from _collection_checks(field, constraints)
    value_checks = tuple(_value_checks(field, constraints, compiled))

    def check(message: Message, prefix: str) -> Violations:
        for index, value in enumerate(getattr(message, name)):
            for value_check in value_checks:
                yield from value_check(value, f"{prefix}{name}[{index}]")

    if value_checks:
        yield check


def _map_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[FieldCheck]:
    name = field.name
    _, value_field = entry_of(field)
    yield from _collection_checks(field, constraints)
    key = constraints.key if constraints else None
    key_checks = tuple(text_checks(field, key.pattern, key.length, "key")) if key else ()
    if key and key.value:
        key_checks += (number_check(key.value),)
    value_checks = tuple(_value_checks(value_field, constraints, compiled))

    def check(message: Message, prefix: str) -> Violations:
        entries = getattr(message, name)
        for one in sorted(entries):
            path = f"{prefix}{name}[{quote(one) if isinstance(one, str) else str(one).lower()}]"
            for key_check in key_checks:
                yield from key_check(one, path)
            for value_check in value_checks:
                yield from value_check(entries[one], path)

    if key_checks or value_checks:
        yield check


def _collection_checks(field: FieldDescriptor, constraints: FieldConstraints | None) -> Iterable[FieldCheck]:
    if constraints is None:
        return
    if constraints.required:
        yield required_check(field)
    if constraints.size:
        yield size_check(field.name, constraints.size)
    if constraints.unique:
        yield unique_check(field.name)


def _value_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[ValueCheck]:
    """Compile what holds for one value of a field: itself, an element, or a value of a map."""
    kind = field.message_type
    if kind is not None:
        yield from _message_checks(kind, constraints, compiled)
    elif constraints:
        if field.cpp_type == field.CPPTYPE_STRING:
            yield from text_checks(field, constraints.pattern, constraints.length)
            if constraints.bytes:
                yield bytes_check(constraints.bytes)
        elif constraints.value:
            yield number_check(constraints.value)


def _message_checks(
    kind: Descriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[ValueCheck]:
    if not kind.full_name.startswith(_WRAPPERS):
        nested = compiled(kind)
        yield lambda value, path: nested.check(value, f"{path}.")
    elif constraints and kind.full_name in _SECONDS and constraints.value:
        yield seconds_check(constraints.value)
    elif constraints and kind.full_name.endswith("Value") and "value" in kind.fields_by_name:
        for check in _value_checks(kind.fields_by_name["value"], constraints, compiled):
            yield _unwrapped(check)
        return
    if constraints and constraints.bytes:
        yield bytes_check(constraints.bytes)


def _unwrapped(check: ValueCheck) -> ValueCheck:
    return lambda value, path: check(value.value, path)
