"""The checks that a validator consists of, each compiled from one option of a field.

A check takes a value, or a message, and yields violations. Their paths are relative
to that value: the caller adds the value's own path with `within`. So a valid request
formats no paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import re2

from gateway.errors import FieldName, FieldViolation, field_text, rename_fields
from gateway.quoting import quote
from gateway.schema import Range, SchemaError, describe_size, field_fault

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor, OneofDescriptor
    from google.protobuf.message import Message

ViolationIterator: TypeAlias = Iterator[FieldViolation]
"""Violations, found one by one."""
ValueCheck: TypeAlias = Callable[[Any], ViolationIterator]
"""Value → violations; those of the value itself have an empty path."""
FieldCheck: TypeAlias = "Callable[[Message], ViolationIterator]"
"""Message → violations, with paths from the message."""

REQUIRED = "REQUIRED"
"""Reason of the violation that a field is not set: a policy may still fill it in."""

_NANOS_PER_SECOND = 10**9


def within(prefix: str, violation: FieldViolation) -> FieldViolation:
    """Return a violation with the path of the value, in which it was found, before its own path."""

    def join(path: str) -> str:
        return f"{prefix}.{path}" if path else prefix

    return FieldViolation(
        field=join(violation.field),
        description=rename_fields(violation.description, join),
        reason=violation.reason,
    )


def required_check(field: FieldDescriptor) -> FieldCheck:
    """Return a check that a field is set."""
    name, has_presence = field.name, field.has_presence

    def check(message: Message) -> ViolationIterator:
        if not (message.HasField(name) if has_presence else getattr(message, name)):
            yield FieldViolation(field=name, description="is required; set it", reason=REQUIRED)

    return check


def sized_check(name: str, size: Range, others: tuple[FieldCheck, ...]) -> FieldCheck:
    """Return a check of the number of elements of a list or map, and then of the elements.

    If the number is wrong the elements are not checked: there may be very many violations.
    """

    def check(message: Message) -> ViolationIterator:
        count = len(getattr(message, name))
        if count and count not in size:
            yield FieldViolation(field=name, description=describe_size(count, size), reason="SIZE")
            return
        for other in others:
            yield from other(message)

    return check


def unique_check(name: str) -> FieldCheck:
    """Return a check that all elements of a list differ."""

    def check(message: Message) -> ViolationIterator:
        seen: set[Any] = set()
        for index, value in enumerate(getattr(message, name)):
            # Messages cannot be hashed, so their serialized form is compared.
            key = value.SerializeToString(deterministic=True) if hasattr(value, "DESCRIPTOR") else value
            if key in seen:
                yield FieldViolation(
                    field=f"{name}[{index}]",
                    description="is a duplicate; elements must differ",
                    reason="UNIQUE",
                )
            seen.add(key)

    return check


def oneof_check(oneof: OneofDescriptor) -> FieldCheck:
    """Return a check that one member of a oneof is set."""
    name, members = oneof.name, [field.name for field in oneof.fields]

    def check(message: Message) -> ViolationIterator:
        if message.WhichOneof(name) is None:
            paths = [part for member in members for part in (", ", FieldName(member))]
            description = field_text("set exactly one of: ", *paths[1:])
            yield FieldViolation(field=name, description=description, reason="EXACTLY_ONE")

    return check


def text_checks(
    field: FieldDescriptor, pattern: str | None, length: Range | None, what: str = "value"
) -> Iterable[ValueCheck]:
    """Return the checks of a text, of bytes, or of a map's key."""
    if pattern is not None:
        yield pattern_check(field, pattern, what)
    if length is not None:
        yield length_check(length, what)


def pattern_check(field: FieldDescriptor, pattern: str, what: str) -> ValueCheck:
    """Return a check that a whole value matches a pattern.

    Raises:
        SchemaError: the pattern is not an RE2 pattern.
    """
    try:
        matches = re2.compile(pattern).fullmatch
    except re2.error as error:
        raise SchemaError([field_fault(field, f"{pattern!r} is not an RE2 pattern: {error}")]) from error

    def check(value: Any) -> ViolationIterator:
        if matches(value) is None:
            yield FieldViolation(
                field="",
                description=f"the {what} {_show(value)} does not match the pattern {pattern}",
                reason="PATTERN",
            )

    return check


def _show(value: str | bytes) -> str:
    return quote(value) if isinstance(value, str) else f"of {len(value)} bytes"


def length_check(length: Range, what: str) -> ValueCheck:
    """Return a check of the length of a value: of text in code points, of bytes in bytes."""

    def check(value: Any) -> ViolationIterator:
        count = len(value)  # of a str: Unicode code points
        if count not in length:
            unit = "bytes" if isinstance(value, bytes) else "characters"
            yield FieldViolation(
                field="",
                description=f"the {what} is {count} {unit} long; its length must be {length.text}",
                reason="LENGTH",
            )

    return check


def number_check(allowed: Range) -> ValueCheck:
    """Return a check of a number."""

    def check(value: Any) -> ViolationIterator:
        if value not in allowed:
            yield FieldViolation(
                field="", description=f"{value} is not allowed; it must be {allowed.text}", reason="VALUE"
            )

    return check


def seconds_check(allowed: Range) -> ValueCheck:
    """Return a check of a Duration or a Timestamp."""

    def check(value: Any) -> ViolationIterator:
        if value.seconds + Fraction(value.nanos, _NANOS_PER_SECOND) not in allowed:
            yield FieldViolation(
                field="",
                description=f"{_show_seconds(value)} is not allowed; it must be {allowed.text}",
                reason="VALUE",
            )

    return check


def _show_seconds(value: Any) -> str:
    try:
        return str(value.ToJsonString())
    except ValueError:  # a time without a JSON form, which gRPC clients can send
        return f"{value.seconds} s and {value.nanos} ns"


def bytes_check(allowed: Range) -> ValueCheck:
    """Return a check of the encoded size of a value in bytes."""

    def check(value: Any) -> ViolationIterator:
        encoded = value.encode() if isinstance(value, str) else value
        count = len(encoded) if isinstance(encoded, bytes) else value.ByteSize()
        if count not in allowed:
            yield FieldViolation(
                field="",
                description=f"takes {count} bytes; it must be {allowed.text}",
                reason="BYTES",
            )

    return check
