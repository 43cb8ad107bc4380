"""Single checks, and the paths of their violations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import FieldViolation
from gateway.schema import SchemaError, field_of
from gateway.schema.constraints import parse_range
from gateway.validation.checks import (
    Check,
    bytes_check,
    length_check,
    number_check,
    pattern_check,
    seconds_check,
    within,
)

if TYPE_CHECKING:
    from gateway.schema import Schema


def found(check: Check, value: Any) -> list[tuple[str, str]]:
    """Return reasons and descriptions of the violations; the quick test agrees with them."""
    violations = [(one.reason, one.description) for one in check.find(value)]
    assert check.accepts(value) is not bool(violations)
    return violations


@pytest.mark.parametrize(
    ("path", "joined"), [("", "inner"), ("name", "inner.name"), ("a[0].b", "inner.a[0].b")]
)
def test_the_path_of_the_value_goes_first(path: str, joined: str) -> None:
    violation = within("inner", FieldViolation(field=path, description="is wrong", reason="VALUE"))
    assert violation == FieldViolation(field=joined, description="is wrong", reason="VALUE")


@pytest.mark.parametrize(
    ("value", "description"),
    [
        ("ab", None),
        ("abcde", "the key is 5 characters long; its length must be 2-4"),
        ("я", "the key is 1 characters long; its length must be 2-4"),
        (b"\xff", "the key is 1 bytes long; its length must be 2-4"),
    ],
)
def test_lengths(value: str | bytes, description: str | None) -> None:
    expected = [("LENGTH", description)] if description else []
    assert found(length_check(parse_range("2-4"), "key"), value) == expected


@pytest.mark.parametrize(
    ("value", "description"),
    [("яя", None), ("яяя", "takes 6 bytes; it must be <=4"), (b"12345", "takes 5 bytes; it must be <=4")],
)
def test_encoded_sizes(value: str | bytes, description: str | None) -> None:
    assert found(bytes_check(parse_range("<=4")), value) == ([("BYTES", description)] if description else [])


def test_numbers() -> None:
    check = number_check(parse_range("0,8-16"))
    assert found(check, 8) == []
    assert found(check, 7) == [("VALUE", "7 is not allowed; it must be 0,8-16")]


def test_seconds_are_exact_and_shown_as_json_shows_them(schema: Schema) -> None:
    new: Any = schema.message("google.protobuf.Duration")
    check = seconds_check(parse_range("1h-24h"))
    assert found(check, new(seconds=3600)) == []
    assert found(check, new(seconds=86400, nanos=1)) == [
        ("VALUE", "86400.000000001s is not allowed; it must be 1h-24h")
    ]
    # gRPC clients can send a duration that JSON has no form for.
    assert found(check, new(seconds=1, nanos=-1)) == [
        ("VALUE", "1 s and -1 ns is not allowed; it must be 1h-24h")
    ]


def test_a_pattern_matches_the_whole_value(schema: Schema) -> None:
    field = field_of(schema.message("google.rpc.Status"), "message")
    check = pattern_check(field, "a|ab", "value")
    assert [found(check, value) for value in ("a", "ab")] == [[], []]
    assert found(check, "abc") == [("PATTERN", 'the value "abc" does not match the pattern a|ab')]
    assert found(check, b"\xff") == [("PATTERN", "the value of 1 bytes does not match the pattern a|ab")]
    with pytest.raises(SchemaError, match=r"google\.rpc\.Status\.message: '\[' is not an RE2 pattern"):
        pattern_check(field, "[", "value")
