"""Keywords of JSON Schema for constraints of the API."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi.keywords import (
    Empty,
    at_most_one,
    exactly_one,
    is_portable,
    join,
    length_keywords,
    number_keywords,
    text_keywords,
)
from gateway.schema.constraints import parse_range


@pytest.mark.parametrize(
    ("pattern", "is_allowed"),
    [
        ("[a-z]+", True),
        (r"\d{3}", True),
        ("[[:alpha:]]", False),
        (r"\pL", False),
        ("(?i)a", False),
        ("(", False),
    ],
)
def test_only_patterns_that_mean_the_same_are_portable(pattern: str, *, is_allowed: bool) -> None:
    assert is_portable(pattern) is is_allowed


@pytest.mark.parametrize(
    ("empty", "expected"),
    [
        (Empty.ALLOWED, {"anyOf": [{"maxLength": 0}, {"minLength": 3, "maxLength": 5}], "maxLength": 5}),
        (Empty.CHECKED, {"minLength": 3, "maxLength": 5}),
        (Empty.REFUSED, {"minLength": 3, "maxLength": 5}),
    ],
)
def test_lengths(empty: Empty, expected: dict[str, Any]) -> None:
    assert length_keywords(parse_range("3-5"), "minLength", "maxLength", empty) == expected


def test_a_required_text_is_not_empty() -> None:
    assert text_keywords(None, None, Empty.REFUSED) == {"minLength": 1}
    assert text_keywords(None, None, Empty.ALLOWED) == {}


def test_an_empty_text_passes_a_pattern_when_it_is_not_set() -> None:
    assert text_keywords("[a-z]+", None, Empty.ALLOWED) == {"pattern": "^(?:[a-z]+)?$"}
    assert text_keywords("[a-z]*", None, Empty.ALLOWED) == {"pattern": "^(?:[a-z]*)$"}
    assert text_keywords("[a-z]+", None, Empty.CHECKED) == {"pattern": "^(?:[a-z]+)$"}


def test_numbers() -> None:
    assert number_keywords(parse_range("1-10"), Empty.CHECKED) == {"minimum": 1, "maximum": 10}
    assert number_keywords(parse_range(">0"), Empty.CHECKED) == {"exclusiveMinimum": 0}
    assert number_keywords(None, Empty.REFUSED) == {"not": {"const": 0}}
    assert number_keywords(parse_range("5-9"), Empty.ALLOWED) == {
        "anyOf": [{"const": 0}, {"minimum": 5, "maximum": 9}]
    }


def test_joined_keywords_are_the_stricter_ones() -> None:
    assert join({"minLength": 1, "maxLength": 9}, {"minLength": 3, "maxLength": 5}) == {
        "minLength": 3,
        "maxLength": 5,
    }
    assert join({"anyOf": [1]}, {"anyOf": [2]}) == {"anyOf": [1], "allOf": [{"anyOf": [2]}]}


def test_members_of_a_oneof() -> None:
    assert at_most_one(["a", "b"]) == {"not": {"required": ["a", "b"]}}
    each = [{"required": [name]} for name in "abc"]
    assert at_most_one(["a", "b", "c"]) == {"oneOf": [*each, {"not": {"anyOf": each}}]}
    assert exactly_one(["a", "b"]) == {"oneOf": each[:2]}
