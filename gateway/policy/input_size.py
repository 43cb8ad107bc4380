"""Finds requests that are too large for policies.

The constraints of the API limit the size of most fields. This module limits the size of
all other fields. Therefore the evaluation of a request never costs more than the estimated
cost of the bundle (see gateway/expressions/cost_estimator.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.errors import FieldViolation
from gateway.schema import descriptor_of, is_map, read_sizes, show_key, value_field
from gateway.schema.well_known import ANY

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from gateway.expressions import InputLimits

TOO_LARGE = "TOO_LARGE_FOR_POLICIES"

Violations: TypeAlias = Iterator[FieldViolation]
Check: TypeAlias = Callable[[Any, str], Violations]
"""A function that checks the size of a value.

It takes the value and the path of the value, and returns a violation for each part that is too large.
"""


class InputSize:
    """Compiles the size checks for protobuf messages, once for each message type."""

    def __init__(self, limits: InputLimits) -> None:
        self._limits = limits
        self._types: dict[str, dict[str, Check]] = {}

    def compile(self, descriptor: Descriptor) -> Callable[[Message], list[FieldViolation]] | None:
        """Return the size check for a message type, or None if the API limits the size of every field."""
        self._checks(descriptor)
        if not _is_open(descriptor, set()):
            return None
        return lambda message: list(self._message(message, ""))

    def _checks(self, descriptor: Descriptor) -> dict[str, Check]:
        checks = self._types.get(descriptor.full_name)
        if checks is None:
            checks = self._types[descriptor.full_name] = {}  # stored first, because a type may contain itself
            for field in descriptor.fields:
                if _is_open_field(field, set()):
                    checks[field.name] = self._field(field)
        return checks

    def _field(self, field: FieldDescriptor) -> Check:
        sizes = read_sizes(field)
        if is_map(field):
            value = self._value(value_field(field), sizes.text)
            return self._map(self._text if sizes.key is None else _nothing, value, sizes.elements)
        value = self._value(field, sizes.text)
        return self._list(value, sizes.elements) if field.is_repeated else value

    def _value(self, field: FieldDescriptor, bound: int | None) -> Check:
        if field.message_type is None:
            return self._text if bound is None else _nothing
        if field.message_type.full_name == ANY:
            return lambda value, path: self._text(value.value, path)
        self._checks(field.message_type)
        return lambda value, path: self._message(value, f"{path}.")

    def _message(self, message: Message, prefix: str) -> Violations:
        checks = self._types[descriptor_of(message).full_name]
        for field, value in message.ListFields():
            check = checks.get(field.name)
            if check is not None:
                yield from check(value, prefix + field.name)

    def _text(self, value: str | bytes, path: str) -> Violations:
        if len(value) > self._limits.text:
            unit = "bytes" if isinstance(value, bytes) else "characters"
            yield self._violation(path, f"is {len(value):,} {unit} long", self._limits.text, "policy_text")

    def _elements(self, value: Any, path: str, bound: int | None) -> Violations:
        if bound is None and len(value) > self._limits.elements:
            yield self._violation(
                path, f"has {len(value):,} elements", self._limits.elements, "policy_elements"
            )

    def _list(self, check: Check, bound: int | None) -> Check:
        def check_list(values: Any, path: str) -> Violations:
            too_many = list(self._elements(values, path, bound))
            yield from too_many
            for index, value in enumerate(values if not too_many else ()):
                yield from check(value, f"{path}[{index}]")

        return check_list

    def _map(self, key_check: Check, value_check: Check, bound: int | None) -> Check:
        def check_map(values: Any, path: str) -> Violations:
            too_many = list(self._elements(values, path, bound))
            yield from too_many
            for key in sorted(values) if not too_many else ():
                place = f"{path}[{show_key(key)}]"
                yield from key_check(key, place)
                yield from value_check(values[key], place)

        return check_map

    def _violation(self, path: str, found: str, most: int, key: str) -> FieldViolation:
        description = f"{found}; policies evaluate at most {most:,} (limits.{key} of the gateway)"
        return FieldViolation(field=path, description=description, reason=TOO_LARGE)


def _nothing(_value: Any, _path: str) -> Violations:
    """Return no violation. This is the check for a value whose size is limited by a constraint of the API."""
    return iter(())


def _is_open(descriptor: Descriptor, seen: set[str]) -> bool:
    """Return whether the message type, or a message type inside it, has a field without a size limit."""
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(_is_open_field(field, seen) for field in descriptor.fields)


def _is_open_field(field: FieldDescriptor, seen: set[str]) -> bool:
    sizes = read_sizes(field)
    if sizes.text is None or sizes.key is None or (field.is_repeated and sizes.elements is None):
        return True
    kind = value_field(field).message_type
    return kind is not None and (kind.full_name == ANY or _is_open(kind, seen))
