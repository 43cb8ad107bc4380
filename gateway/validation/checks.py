"""The checks that a validator consists of. Each check is compiled from one option of a field or a oneof.

A check has two functions, `accepts` and `find`. Both take a value or a protobuf message.
`accepts` is fast. Only `accepts` is called for a valid request. `find` yields the
violations. The path of a violation is relative to the value. The caller of `find` uses
`within` to add the path of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import re2

from gateway.errors import FieldName, FieldViolation, field_text, rename_fields
from gateway.quoting import quote
from gateway.schema import Range, SchemaError, describe_size, field_fault

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor, OneofDescriptor
    from google.protobuf.message import Message

ViolationIterator: TypeAlias = Iterator[FieldViolation]
"""The violations, in the order in which they are found."""
Test: TypeAlias = Callable[[Any], bool]
"""A function that takes a value and returns whether the value is accepted."""


class Check(NamedTuple):
    """A check of a value, or of a field of a message.

    Attributes:
        accepts: the fast test. If it returns True, the value has no violation. If it returns False, the value
            may have violations, so `find` has to be called.
        find: the function that yields the violations. If a violation concerns the whole value, the path
            of the violation is empty.
    """

    accepts: Test
    find: Callable[[Any], ViolationIterator]


REQUIRED = "REQUIRED"
"""The reason of the violation that a required field is not set. A policy may still set the field."""

_NANOS_PER_SECOND = 10**9
_CACHED = 512  # the maximum number of cached values of one field
_MAX_CACHED_LENGTH = 64  # the maximum length of a cached value


def check_by_search(find: Callable[[Any], ViolationIterator]) -> Check:
    """Return a check that accepts a value if `find` yields no violation.

    Such a check is slow, so it is only used for rare constraints.
    """
    return Check(lambda value: next(find(value), None) is None, find)


def all_of(tests: Sequence[Test]) -> Test:
    """Return a test that accepts a value if all the given tests accept it."""
    match tests:
        case [test]:
            return test
        case [first, second]:
            return lambda value: first(value) and second(value)
        case _:
            return lambda value: all(test(value) for test in tests)


def entries_test(
    accepts_key: Test, accepts_value: Test, *, are_texts: bool
) -> Callable[[Mapping[Any, Any]], bool]:
    """Return a test of all entries of a map.

    Args:
        accepts_key: the test of a key.
        accepts_value: the test of a value.
        are_texts: whether keys and values are texts. The results for short texts are cached.
    """

    def accepts(key: Any, value: Any) -> bool:
        return accepts_key(key) and accepts_value(value)

    kept = lru_cache(_CACHED)(accepts)

    def accept_texts(entries: Mapping[str, str]) -> bool:
        for key in entries:
            value = entries[key]
            test = kept if len(key) + len(value) <= _MAX_CACHED_LENGTH else accepts
            if not test(key, value):
                return False
        return True

    def accept_all(entries: Mapping[Any, Any]) -> bool:
        return all(accepts(key, entries[key]) for key in entries)

    return accept_texts if are_texts else accept_all


def _is_in(allowed: Range) -> Test:
    """Return a test that checks whether a number is in a range.

    The test is faster if the range is a single interval that includes both ends. Most ranges are such
    intervals.
    """
    first, *others = allowed.intervals
    if others or first.low_open or first.high_open:
        return allowed.__contains__
    low, high = first.low, first.high
    return lambda number: low <= number <= high


def within(prefix: str, violation: FieldViolation) -> FieldViolation:
    """Return a copy of a violation. In the copy, the path starts with the path of the enclosing value."""

    def join(path: str) -> str:
        return f"{prefix}.{path}" if path else prefix

    return FieldViolation(
        field=join(violation.field),
        description=rename_fields(violation.description, join),
        reason=violation.reason,
    )


def required_check(field: FieldDescriptor) -> Check:
    """Return a check that a required field is set."""
    name = field.name
    is_set = presence_test(field)

    def find(message: Message) -> ViolationIterator:
        if not is_set(message):
            yield FieldViolation(field=name, description="is required; set it", reason=REQUIRED)

    return Check(is_set, find)


def presence_test(field: FieldDescriptor) -> Test:
    """Return a test that checks whether a field of a message is set.

    A field without presence counts as set if it is not empty.
    """
    name = field.name
    if field.has_presence:
        return lambda message: message.HasField(name)
    return lambda message: bool(getattr(message, name))


def sized_check(name: str, size: Range, others: tuple[Check, ...]) -> Check:
    """Return a check of a list or map. It checks the number of elements, and then the elements themselves.

    If the number of elements is wrong, the elements are not checked, because a very long list could have
    very many violations.

    Args:
        name: the name of the field.
        size: the allowed number of elements.
        others: the checks of the elements.
    """
    fits = _is_in(size)
    accepts_elements = all_of([other.accepts for other in others])

    def accepts(message: Message) -> bool:
        count = len(getattr(message, name))
        return not count or (fits(count) and accepts_elements(message))

    def find(message: Message) -> ViolationIterator:
        count = len(getattr(message, name))
        if count and not fits(count):
            yield FieldViolation(field=name, description=describe_size(count, size), reason="SIZE")
            return
        for other in others:
            yield from other.find(message)

    return Check(accepts, find)


def unique_check(name: str) -> Check:
    """Return a check that all elements of a list are different."""

    def find(message: Message) -> ViolationIterator:
        seen: set[Any] = set()
        for index, value in enumerate(getattr(message, name)):
            # A protobuf message cannot be hashed, so its serialized form is compared.
            key = value.SerializeToString(deterministic=True) if hasattr(value, "DESCRIPTOR") else value
            if key in seen:
                yield FieldViolation(
                    field=f"{name}[{index}]",
                    description="is a duplicate; elements must differ",
                    reason="UNIQUE",
                )
            seen.add(key)

    return check_by_search(find)


def oneof_check(oneof: OneofDescriptor) -> Check:
    """Return a check that one field of a oneof is set."""
    name, members = oneof.name, [field.name for field in oneof.fields]

    def find(message: Message) -> ViolationIterator:
        if message.WhichOneof(name) is None:
            paths = [part for member in members for part in (", ", FieldName(member))]
            description = field_text("set exactly one of: ", *paths[1:])
            yield FieldViolation(field=name, description=description, reason="EXACTLY_ONE")

    return check_by_search(find)


def text_checks(
    field: FieldDescriptor, pattern: str | None, length: Range | None, what: str = "value"
) -> Iterable[Check]:
    """Return the pattern check and the length check of a text, a bytes value or a map key."""
    if pattern is not None and length is not None:
        by_pattern, by_length = pattern_check(field, pattern, what), length_check(length, what)
        yield Check(
            _matches_within(length, by_pattern.accepts),
            lambda value: chain(by_pattern.find(value), by_length.find(value)),
        )
    elif pattern is not None:
        yield pattern_check(field, pattern, what)
    elif length is not None:
        yield length_check(length, what)


def _matches_within(length: Range, matches: Test) -> Test:
    """Return a test that checks the length of a value, and then its pattern.

    The results for short values are cached, because callers repeat names, label keys and label values.
    """
    first, *others = length.intervals
    if others or first.low_open or first.high_open:
        return all_of([lambda value: len(value) in length, matches])
    low, high = first.low, first.high
    if high <= _MAX_CACHED_LENGTH:
        matches = lru_cache(_CACHED)(matches)
    return lambda value: low <= len(value) <= high and matches(value)


def pattern_check(field: FieldDescriptor, pattern: str, what: str) -> Check:
    """Return a check that a whole value matches a pattern.

    Raises:
        SchemaError: the pattern is not an RE2 pattern.
    """
    try:
        matches = re2.compile(pattern).fullmatch
    except re2.error as error:
        raise SchemaError([field_fault(field, f"{pattern!r} is not an RE2 pattern: {error}")]) from error

    def find(value: Any) -> ViolationIterator:
        if matches(value) is None:
            yield FieldViolation(
                field="",
                description=f"the {what} {_show(value)} does not match the pattern {pattern}",
                reason="PATTERN",
            )

    return Check(_full_match(pattern), find)


def _full_match(pattern: str) -> Test:
    """Return a test that checks whether a whole value matches a valid pattern.

    The test uses an RE2 set that contains one pattern. It takes only a sixth of the time of `fullmatch`,
    because a set creates no match object. If the set would need too much memory, the test accepts no value.
    In this case, the function `find` of the check decides.
    """
    options = re2.Options()
    options.log_errors = False
    matcher = re2.Set.FullMatchSet(options)
    matcher.Add(pattern)
    try:
        matcher.Compile()
    except re2.error:
        return lambda _: False
    match = matcher.Match
    return lambda value: match(value) is not None


def _show(value: str | bytes) -> str:
    return quote(value) if isinstance(value, str) else f"of {len(value)} bytes"


def length_check(length: Range, what: str) -> Check:
    """Return a check of the length of a value. A text is measured in code points, other values in bytes."""
    fits = _is_in(length)

    def find(value: Any) -> ViolationIterator:
        count = len(value)  # `len` of a str counts Unicode code points
        if not fits(count):
            unit = "bytes" if isinstance(value, bytes) else "characters"
            yield FieldViolation(
                field="",
                description=f"the {what} is {count} {unit} long; its length must be {length.text}",
                reason="LENGTH",
            )

    return Check(lambda value: fits(len(value)), find)


def number_check(allowed: Range) -> Check:
    """Return a check that a number is in the allowed range."""
    fits = _is_in(allowed)

    def find(value: Any) -> ViolationIterator:
        if not fits(value):
            yield FieldViolation(
                field="", description=f"{value} is not allowed; it must be {allowed.text}", reason="VALUE"
            )

    return Check(fits, find)


def seconds_check(allowed: Range) -> Check:
    """Return a check that a Duration or a Timestamp is in the allowed range."""

    def find(value: Any) -> ViolationIterator:
        if value.seconds + Fraction(value.nanos, _NANOS_PER_SECOND) not in allowed:
            yield FieldViolation(
                field="",
                description=f"{_show_seconds(value)} is not allowed; it must be {allowed.text}",
                reason="VALUE",
            )

    return check_by_search(find)


def _show_seconds(value: Any) -> str:
    try:
        return str(value.ToJsonString())
    except ValueError:  # a gRPC client can send a time that JSON cannot represent
        return f"{value.seconds} s and {value.nanos} ns"


def bytes_check(allowed: Range) -> Check:
    """Return a check that the encoded value has an allowed number of bytes."""

    def find(value: Any) -> ViolationIterator:
        encoded = value.encode() if isinstance(value, str) else value
        count = len(encoded) if isinstance(encoded, bytes) else value.ByteSize()
        if count not in allowed:
            yield FieldViolation(
                field="",
                description=f"takes {count} bytes; it must be {allowed.text}",
                reason="BYTES",
            )

    return check_by_search(find)
