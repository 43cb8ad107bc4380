"""Checks of requests against the constraints in the descriptors.

The checks are compiled once for each message type. A field that is not set can only
violate the constraint `required`. For a field that is set, all violations are found. The
search for violations starts only if a fast test of the request fails.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from gateway.errors import MAX_VIOLATIONS
from gateway.schema import (
    FieldConstraints,
    SchemaError,
    descriptor_of,
    entry_of,
    is_map,
    read_constraints,
    requires_one,
    show_key,
    value_field,
)
from gateway.schema.well_known import DURATION, TIMESTAMP, WRAPPERS, is_well_known
from gateway.validation.checks import (
    Check,
    Test,
    ViolationIterator,
    all_of,
    bytes_check,
    entries_test,
    number_check,
    oneof_check,
    presence_test,
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
    """Checks request messages against the constraints in a schema.

    Raises:
        SchemaError: a constraint of a request type cannot be read. Only the constructor raises this error.
    """

    def __init__(self, schema: Schema, max_elements: int | None = None) -> None:
        """Compile the checks of all request types.

        Args:
            schema: the schema that contains the methods and their request types.
            max_elements: the maximum number of elements in all lists and maps of one request; None for no
                limit.
        """
        self._counter = ElementCounter(max_elements) if max_elements is not None else None
        self._types: dict[str, MessageValidator] = {}
        self._classes: dict[type[Message], MessageValidator] = {}  # of the validated messages
        faults: list[Fault] = []
        for method in schema.methods.values():
            try:
                self.message_validator(descriptor_of(method.request))
            except SchemaError as error:
                faults += error.faults
        if faults:
            raise SchemaError(dict.fromkeys(faults))

    def validate(self, message: Message) -> list[FieldViolation]:
        """Return the violations of a protobuf message, in the order of the fields.

        The list is empty if the message is valid. The search ends when it has found one violation more than
        an error may contain. If the lists and maps of the message have too many elements, the
        list contains only the violation that reports this.
        """
        if self._counter is not None and (excess := self._counter.find_excess(message)):
            return [excess]
        kind = type(message)
        validator = self._classes.get(kind)
        if validator is None:
            validator = self._classes[kind] = self.message_validator(descriptor_of(message))
        return [] if validator.accepts(message) else list(islice(validator.find(message), MAX_VIOLATIONS + 1))

    def message_validator(self, descriptor: Descriptor) -> MessageValidator:
        """Return the validator of a message type. The validator is compiled on first use."""
        validator = self._types.get(descriptor.full_name)
        if validator is None:
            # The validator is stored before it is compiled, because a type may contain itself.
            validator = self._types[descriptor.full_name] = MessageValidator()
            try:
                validator.use(tuple(_compile_message(descriptor, self.message_validator)))
            except SchemaError:
                del self._types[descriptor.full_name]
                raise
        return validator


class MessageValidator:
    """The checks of one message type: the fast tests, and the functions that find violations."""

    __slots__ = ("_finders", "_tests")

    def __init__(self) -> None:
        self._tests: tuple[Test, ...] = ()
        self._finders: tuple[Callable[[Message], ViolationIterator], ...] = ()

    def use(self, checks: tuple[Check, ...]) -> None:
        """Set the checks of the validator. A new validator has no checks."""
        self._tests = tuple(check.accepts for check in checks)
        self._finders = tuple(check.find for check in checks)

    def accepts(self, message: Message) -> bool:
        """Return True only if a protobuf message has no violation. False means that it may have one."""
        for test in self._tests:  # noqa: SIM110 - all() would make a generator for each message
            if not test(message):
                return False
        return True

    def find(self, message: Message) -> ViolationIterator:
        """Yield the violations of a protobuf message."""
        for find in self._finders:
            yield from find(message)


_Compiled: TypeAlias = "Callable[[Descriptor], MessageValidator]"


def _compile_message(descriptor: Descriptor, compiled: _Compiled) -> Iterable[Check]:
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
) -> Iterable[Check]:
    if is_map(field):
        return _map_checks(field, constraints, compiled)
    if field.is_repeated:
        return _repeated_checks(field, constraints, compiled)
    return _singular_checks(field, constraints, compiled)


def _singular_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[Check]:
    name, is_set = field.name, presence_test(field)
    if constraints and constraints.required:
        yield required_check(field)
    value_checks = tuple(_value_checks(field, constraints, compiled))
    if not value_checks:
        return

    def find(message: Message) -> ViolationIterator:
        if is_set(message):
            value = getattr(message, name)
            for check in value_checks:
                for one in check.find(value):
                    yield within(name, one)

    yield Check(_singular_test(field, all_of([check.accepts for check in value_checks])), find)


def _singular_test(field: FieldDescriptor, accepts_value: Test) -> Test:
    """Return a test that accepts a message if the field is not set or has an accepted value."""
    name = field.name
    if field.has_presence:
        return lambda message: not message.HasField(name) or accepts_value(getattr(message, name))
    return lambda message: not (value := getattr(message, name)) or accepts_value(value)


def _repeated_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[Check]:
    name = field.name
    value_checks = tuple(_value_checks(field, constraints, compiled))
    accepts_value = all_of([check.accepts for check in value_checks])

    def accepts(message: Message) -> bool:
        return all(map(accepts_value, getattr(message, name)))

    def find(message: Message) -> ViolationIterator:
        for index, value in enumerate(getattr(message, name)):
            for check in value_checks:
                for one in check.find(value):
                    yield within(f"{name}[{index}]", one)

    return _collection_checks(field, constraints, Check(accepts, find) if value_checks else None)


def _map_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[Check]:
    name = field.name
    key = constraints.key if constraints else None
    key_checks = tuple(text_checks(field, key.pattern, key.length, "key")) if key else ()
    if key and key.value:
        key_checks += (number_check(key.value),)
    value_checks = tuple(_value_checks(value_field(field), constraints, compiled))
    accepts_entries = entries_test(
        all_of([check.accepts for check in key_checks]),
        all_of([check.accepts for check in value_checks]),
        are_texts=all(one.cpp_type == one.CPPTYPE_STRING for one in entry_of(field)),
    )

    def accepts(message: Message) -> bool:
        return accepts_entries(getattr(message, name))

    def find(message: Message) -> ViolationIterator:
        entries = getattr(message, name)
        for key in sorted(entries):
            of_key = (one for check in key_checks for one in check.find(key))
            of_value = (one for check in value_checks for one in check.find(entries[key]))
            for one in chain(of_key, of_value):
                yield within(f"{name}[{show_key(key)}]", one)

    return _collection_checks(
        field, constraints, Check(accepts, find) if key_checks or value_checks else None
    )


def _collection_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, elements: Check | None
) -> Iterable[Check]:
    """Compile the checks of a list or map. If the size is wrong, the elements are not checked."""
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
) -> Iterable[Check]:
    """Compile the checks of one value: the value of a field, an element of a list, or a value of a map."""
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
) -> Iterable[Check]:
    if not is_well_known(kind.full_name):
        nested = compiled(kind)
        yield Check(nested.accepts, nested.find)
    elif constraints and kind.full_name in _SECONDS and constraints.value:
        yield seconds_check(constraints.value)
    elif constraints and kind.full_name in WRAPPERS:
        for check in _value_checks(kind.fields_by_name["value"], constraints, compiled):
            yield _unwrapped(check)
        return
    if constraints and constraints.bytes:
        yield bytes_check(constraints.bytes)


def _unwrapped(check: Check) -> Check:
    return Check(lambda value: check.accepts(value.value), lambda value: check.find(value.value))
