"""Checks of single constraints, on real messages."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from gateway.errors import FieldViolation
from gateway.schema import SchemaError
from gateway.schema.constraints import parse_range
from gateway.validation.checks import (
    bytes_check,
    length_check,
    number_check,
    oneof_check,
    pattern_check,
    required_check,
    seconds_check,
    sized_check,
    unique_check,
    within,
)

TEXT = Value.DESCRIPTOR.fields_by_name["string_value"]


def found(check: Any, value: Any) -> list[tuple[str, str]]:
    return [(one.field, one.reason) for one in check(value)]


def test_required_fields() -> None:
    field = Struct.DESCRIPTOR.fields_by_name["fields"]
    assert found(required_check(field), Struct()) == [("fields", "REQUIRED")]
    with_presence = required_check(TEXT)
    assert found(with_presence, Value()) == [("string_value", "REQUIRED")]
    assert found(with_presence, Value(string_value="")) == []


def test_sizes_come_before_elements() -> None:
    values = ListValue(values=[Value(number_value=1), Value(number_value=1)])
    unique = unique_check("values")
    assert found(sized_check("values", parse_range("1-3"), (unique,)), values) == [("values[1]", "UNIQUE")]
    assert found(sized_check("values", parse_range("3"), (unique,)), values) == [("values", "SIZE")]
    assert found(sized_check("values", parse_range("3"), (unique,)), ListValue()) == []


def test_oneofs() -> None:
    check = oneof_check(Value.DESCRIPTOR.oneofs_by_name["kind"])
    assert found(check, Value(bool_value=False)) == []
    (violation,) = check(Value())
    assert violation.reason == "EXACTLY_ONE"
    assert "null_value, number_value" in violation.description


@pytest.mark.parametrize(
    ("text", "is_allowed"), [("abc", True), ("abcd", False), ("xabc", False), ("ABC", False)]
)
def test_patterns_match_the_whole_text(text: str, *, is_allowed: bool) -> None:
    assert (found(pattern_check(TEXT, "[a-c]{3}", "value"), text) == []) is is_allowed


def test_a_bad_pattern_is_a_fault_of_the_descriptors() -> None:
    with pytest.raises(SchemaError, match="is not an RE2 pattern"):
        pattern_check(TEXT, "(", "value")


@pytest.mark.parametrize(("value", "unit"), [("жжж", "3 characters"), ("жжж".encode(), "6 bytes")])
def test_lengths_count_characters_or_bytes(value: str | bytes, unit: str) -> None:
    (violation,) = length_check(parse_range("<=2"), "value")(value)
    assert f"is {unit} long" in violation.description
    assert found(length_check(parse_range("<=6"), "value"), value) == []


def test_numbers() -> None:
    check = number_check(parse_range("1-10"))
    assert [value for value in (0, 1, 10, 11) if not found(check, value)] == [1, 10]


def test_durations_are_exact() -> None:
    check = seconds_check(parse_range("<=1"))
    assert found(check, Duration(seconds=1)) == []
    assert found(check, Duration(seconds=1, nanos=1)) == [("", "VALUE")]


def test_a_duration_without_a_json_form_is_shown() -> None:
    (violation,) = seconds_check(parse_range("<=1"))(Duration(seconds=10**15))
    assert violation.description.startswith(f"{10**15} s and 0 ns")


def test_sizes_in_bytes() -> None:
    check = bytes_check(parse_range("<=4"))
    assert [found(check, value) for value in ("жж", b"1234", Value(string_value="ab"))] == [[], [], []]
    assert found(check, "ждж") == [("", "BYTES")]


def test_paths_are_joined() -> None:
    inner = FieldViolation(field="b", description="x", reason="R")
    assert within("a[0]", inner).field == "a[0].b"
    assert within("a", FieldViolation(field="", description="x", reason="R")).field == "a"
