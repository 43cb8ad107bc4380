"""Checks of requests by the constraints in their descriptors.

The checks are compiled once per message type. A field that is not set can only
violate `required`; of the fields that are set, every violation is found.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from gateway.errors import MAX_VIOLATIONS
from gateway.schema import (
    FieldConstraints,
    SchemaError,
    descriptor_of,
    is_map,
    read_constraints,
    requires_one,
    show_key,
    value_field,
)
from gateway.schema.well_known import DURATION, TIMESTAMP, WRAPPERS, is_well_known
from gateway.validation.checks import (
    FieldCheck,
    ValueCheck,
    ViolationIterator,
    bytes_check,
    number_check,
    oneof_check,
    required_check,
    seconds_check,
    sized_check,
    text_checks,
    unique_check,
    within,
)
from gateway.validation.elements import ElementCounter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from gateway.errors import FieldViolation
    from gateway.faults import Fault
    from gateway.schema import Schema

_SECONDS = {DURATION, TIMESTAMP}


class Validator:
    """Checks messages of the request types of a schema.

    Raises:
        SchemaError: on construction, if an option of a request type cannot be read.
    """

    def __init__(self, schema: Schema, max_elements: int | None = None) -> None:
        """Compile the checks.

        Args:
            schema: of the methods.
            max_elements: number that all lists and maps of one request may have; None for no limit.
        """
        self._counter = ElementCounter(max_elements) if max_elements is not None else None
        self._types: dict[str, _MessageValidator] = {}
        faults: list[Fault] = []
        for method in schema.methods.values():
            try:
                self._validator_of(descriptor_of(method.request))
            except SchemaError as error:
                faults += error.faults
        if faults:
            raise SchemaError(dict.fromkeys(faults))

    def validate(self, message: Message) -> list[FieldViolation]:
        """Return the violations, in the order of the fields; empty when the message is valid.

        All violations are found, up to one more than an error lists. A message with too many elements
        has only that violation.
        """
        if self._counter is not None and (excess := self._counter.find_excess(message)):
            return [excess]
        return list(islice(self._validator_of(descriptor_of(message)).check(message), MAX_VIOLATIONS + 1))

    def _validator_of(self, descriptor: Descriptor) -> _MessageValidator:
        validator = self._types.get(descriptor.full_name)
        if validator is None:
            # Stored before it is compiled: a type may contain itself.
            validator = self._types[descriptor.full_name] = _MessageValidator()
            try:
                validator.checks = tuple(_compile_message(descriptor, self._validator_of))
            except SchemaError:
                del self._types[descriptor.full_name]
                raise
        return validator


class _MessageValidator:
    """The checks of one message type."""

    __slots__ = ("checks",)

    def __init__(self) -> None:
        self.checks: tuple[FieldCheck, ...] = ()

    def check(self, message: Message) -> ViolationIterator:
        for check in self.checks:
            yield from check(message)


_Compiled: TypeAlias = "Callable[[Descriptor], _MessageValidator]"


def _compile_message(descriptor: Descriptor, compiled: _Compiled) -> Iterable[FieldCheck]:
    faults: list[Fault] = []
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

    def check(message: Message) -> ViolationIterator:
        value = getattr(message, name)
        if message.HasField(name) if has_presence else value:
            for value_check in value_checks:
                for one in value_check(value):
                    yield within(name, one)

    yield check


def _repeated_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[FieldCheck]:
    name = field.name
    value_checks = tuple(_value_checks(field, constraints, compiled))

    def check(message: Message) -> ViolationIterator:
        for index, value in enumerate(getattr(message, name)):
            for value_check in value_checks:
                for one in value_check(value):
                    yield within(f"{name}[{index}]", one)

    return _collection_checks(field, constraints, check if value_checks else None)


def _map_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[FieldCheck]:
    name = field.name
    key = constraints.key if constraints else None
    key_checks = tuple(text_checks(field, key.pattern, key.length, "key")) if key else ()
    if key and key.value:
        key_checks += (number_check(key.value),)
    value_checks = tuple(_value_checks(value_field(field), constraints, compiled))

    def check(message: Message) -> ViolationIterator:
        entries = getattr(message, name)
        for key in sorted(entries):
            of_key = (one for check_key in key_checks for one in check_key(key))
            of_value = (one for check_value in value_checks for one in check_value(entries[key]))
            for one in chain(of_key, of_value):
                yield within(f"{name}[{show_key(key)}]", one)

    return _collection_checks(field, constraints, check if key_checks or value_checks else None)


def _collection_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, elements: FieldCheck | None
) -> Iterable[FieldCheck]:
    """Compile the checks of a list or a map; cheap checks run first, and may be the last."""
    if constraints and constraints.required:
        yield required_check(field)
    checks = (elements,) if elements else ()
    if constraints and constraints.unique:
        checks = (unique_check(field.name), *checks)
    if constraints and constraints.size:
        yield sized_check(field.name, constraints.size, checks)
    else:
        yield from checks


def _value_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[ValueCheck]:
    """Compile the checks of one value of a field: itself, an element, or a value of a map."""
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
    if not is_well_known(kind.full_name):
        nested = compiled(kind)
        yield nested.check
    elif constraints and kind.full_name in _SECONDS and constraints.value:
        yield seconds_check(constraints.value)
    elif constraints and kind.full_name in WRAPPERS:
        for check in _value_checks(kind.fields_by_name["value"], constraints, compiled):
            yield _unwrapped(check)
        return
    if constraints and constraints.bytes:
        yield bytes_check(constraints.bytes)


def _unwrapped(check: ValueCheck) -> ValueCheck:
    return lambda value: check(value.value)
