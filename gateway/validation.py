"""Requests against the constraints of their descriptors.

A validator is compiled once per message type. A field that is not set breaks
nothing but `required`; of the fields that are set, every violation is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import re2

from gateway.errors import FieldViolation
from gateway.masking import quote
from gateway.schema import (
    FieldConstraints,
    Range,
    SchemaError,
    descriptor_of,
    entry_of,
    is_map,
    read_constraints,
    requires_one,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
    from google.protobuf.message import Message

    from gateway.schema import Schema

Violations: TypeAlias = Iterator[FieldViolation]
_ValueCheck: TypeAlias = Callable[[Any, str], Violations]
_FieldCheck: TypeAlias = "Callable[[Message, str], Violations]"

_WRAPPERS = "google.protobuf."
_SECONDS = {"google.protobuf.Duration", "google.protobuf.Timestamp"}
_NANOS_PER_SECOND = 10**9


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
        self.checks: tuple[_FieldCheck, ...] = ()

    def check(self, message: Message, prefix: str) -> Violations:
        for check in self.checks:
            yield from check(message, prefix)


_Compiled: TypeAlias = "Callable[[Descriptor], _MessageValidator]"


def _compile_message(descriptor: Descriptor, compiled: _Compiled) -> Iterable[_FieldCheck]:
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
            yield _oneof_check(oneof)


def _field_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[_FieldCheck]:
    if is_map(field):
        return _map_checks(field, constraints, compiled)
    if field.is_repeated:
        return _repeated_checks(field, constraints, compiled)
    return _singular_checks(field, constraints, compiled)


def _singular_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[_FieldCheck]:
    name, has_presence = field.name, field.has_presence
    if constraints and constraints.required:
        yield _required_check(field)
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
) -> Iterable[_FieldCheck]:
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
) -> Iterable[_FieldCheck]:
    name = field.name
    _, value_field = entry_of(field)
    yield from _collection_checks(field, constraints)
    key = constraints.key if constraints else None
    key_checks = tuple(_text_checks(field, key.pattern, key.length, "key")) if key else ()
    if key and key.value:
        key_checks += (_number_check(key.value),)
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


def _collection_checks(field: FieldDescriptor, constraints: FieldConstraints | None) -> Iterable[_FieldCheck]:
    if constraints is None:
        return
    if constraints.required:
        yield _required_check(field)
    if constraints.size:
        yield _size_check(field.name, constraints.size)
    if constraints.unique:
        yield _unique_check(field.name)


def _value_checks(
    field: FieldDescriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[_ValueCheck]:
    """Compile what holds for one value of a field: itself, an element, or a value of a map."""
    kind = field.message_type
    if kind is not None:
        yield from _message_checks(kind, constraints, compiled)
    elif constraints:
        if field.cpp_type == field.CPPTYPE_STRING:
            yield from _text_checks(field, constraints.pattern, constraints.length)
            if constraints.bytes:
                yield _bytes_check(constraints.bytes)
        elif constraints.value:
            yield _number_check(constraints.value)


def _message_checks(
    kind: Descriptor, constraints: FieldConstraints | None, compiled: _Compiled
) -> Iterable[_ValueCheck]:
    if not kind.full_name.startswith(_WRAPPERS):
        nested = compiled(kind)
        yield lambda value, path: nested.check(value, f"{path}.")
    elif constraints and kind.full_name in _SECONDS and constraints.value:
        yield _seconds_check(constraints.value)
    elif constraints and kind.full_name.endswith("Value") and "value" in kind.fields_by_name:
        for check in _value_checks(kind.fields_by_name["value"], constraints, compiled):
            yield _unwrapped(check)
        return
    if constraints and constraints.bytes:
        yield _bytes_check(constraints.bytes)


def _unwrapped(check: _ValueCheck) -> _ValueCheck:
    return lambda value, path: check(value.value, path)


def _required_check(field: FieldDescriptor) -> _FieldCheck:
    name, has_presence = field.name, field.has_presence

    def check(message: Message, prefix: str) -> Violations:
        if not (message.HasField(name) if has_presence else getattr(message, name)):
            yield FieldViolation(field=prefix + name, description="is required; set it", reason="REQUIRED")

    return check


def _size_check(name: str, size: Range) -> _FieldCheck:
    def check(message: Message, prefix: str) -> Violations:
        count = len(getattr(message, name))
        if count and count not in size:
            yield FieldViolation(
                field=prefix + name,
                description=f"has {count} elements; the number of elements must be {size.text}",
                reason="SIZE",
            )

    return check


def _unique_check(name: str) -> _FieldCheck:
    def check(message: Message, prefix: str) -> Violations:
        seen: set[Any] = set()
        for index, value in enumerate(getattr(message, name)):
            # Messages cannot be hashed; their serialized form stands for them.
            key = value.SerializeToString(deterministic=True) if hasattr(value, "DESCRIPTOR") else value
            if key in seen:
                yield FieldViolation(
                    field=f"{prefix}{name}[{index}]",
                    description="is there a second time; elements must differ",
                    reason="UNIQUE",
                )
            seen.add(key)

    return check


def _oneof_check(oneof: OneofDescriptor) -> _FieldCheck:
    name, members = oneof.name, ", ".join(field.name for field in oneof.fields)

    def check(message: Message, prefix: str) -> Violations:
        if message.WhichOneof(name) is None:
            yield FieldViolation(
                field=prefix + name, description=f"set exactly one of: {members}", reason="EXACTLY_ONE"
            )

    return check


def _text_checks(
    field: FieldDescriptor, pattern: str | None, length: Range | None, what: str = "value"
) -> Iterable[_ValueCheck]:
    if pattern is not None:
        yield _pattern_check(field, pattern, what)
    if length is not None:
        yield _length_check(length, what)


def _pattern_check(field: FieldDescriptor, pattern: str, what: str) -> _ValueCheck:
    try:
        matches = re2.compile(pattern).fullmatch
    except re2.error as error:
        raise SchemaError([f"{field.full_name}: {pattern!r} is no RE2 pattern: {error}"]) from error

    def check(value: Any, path: str) -> Violations:
        if matches(value) is None:
            yield FieldViolation(
                field=path,
                description=f"the {what} {_show(value)} does not match the pattern {pattern}",
                reason="PATTERN",
            )

    return check


def _show(value: str | bytes) -> str:
    return quote(value) if isinstance(value, str) else f"of {len(value)} bytes"


def _length_check(length: Range, what: str) -> _ValueCheck:
    def check(value: Any, path: str) -> Violations:
        count = len(value)  # of a str: Unicode code points
        if count not in length:
            unit = "bytes" if isinstance(value, bytes) else "characters"
            yield FieldViolation(
                field=path,
                description=f"the {what} is {count} {unit} long; its length must be {length.text}",
                reason="LENGTH",
            )

    return check


def _number_check(allowed: Range) -> _ValueCheck:
    def check(value: Any, path: str) -> Violations:
        if value not in allowed:
            yield FieldViolation(
                field=path, description=f"{value} is not allowed; it must be {allowed.text}", reason="VALUE"
            )

    return check


def _seconds_check(allowed: Range) -> _ValueCheck:
    def check(value: Any, path: str) -> Violations:
        if value.seconds + Fraction(value.nanos, _NANOS_PER_SECOND) not in allowed:
            yield FieldViolation(
                field=path,
                description=f"{_show_seconds(value)} is not allowed; it must be {allowed.text}",
                reason="VALUE",
            )

    return check


def _show_seconds(value: Any) -> str:
    try:
        return str(value.ToJsonString())
    except ValueError:  # gRPC carries times that JSON has no form for
        return f"{value.seconds} s and {value.nanos} ns"


def _bytes_check(allowed: Range) -> _ValueCheck:
    def check(value: Any, path: str) -> Violations:
        encoded = value.encode() if isinstance(value, str) else value
        count = len(encoded) if isinstance(encoded, bytes) else value.ByteSize()
        if count not in allowed:
            yield FieldViolation(
                field=path,
                description=f"takes {count} bytes; it must be {allowed.text}",
                reason="BYTES",
            )

    return check
