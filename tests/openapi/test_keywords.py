"""Constraints → keywords of JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
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


def accepts(schema: Any, value: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("empty", "keywords"),
    [
        (Empty.CHECKED, {"minLength": 2, "maxLength": 4}),
        (Empty.REFUSED, {"minLength": 2, "maxLength": 4}),
        (Empty.ALLOWED, {"maxLength": 4, "anyOf": [{"maxLength": 0}, {"minLength": 2, "maxLength": 4}]}),
    ],
)
def test_bounds_of_a_length(empty: Empty, keywords: Any) -> None:
    assert length_keywords(parse_range("2-4"), "minLength", "maxLength", empty) == keywords


@pytest.mark.parametrize(("empty", "keywords"), [(Empty.REFUSED, {"minItems": 1}), (Empty.ALLOWED, {})])
def test_a_length_without_a_constraint(empty: Empty, keywords: Any) -> None:
    assert length_keywords(None, "minItems", "maxItems", empty) == keywords


@pytest.mark.parametrize("empty", Empty)
@pytest.mark.parametrize("text", ["1-5", "0-5", ">0", "<=5", "<5", "1,3,8-9"])
def test_numbers_agree_with_the_range(text: str, empty: Empty) -> None:
    allowed = parse_range(text)
    schema = number_keywords(allowed, empty)
    for number in range(-1, 11):
        expected = number in allowed
        if number == 0 and empty is not Empty.CHECKED:
            expected = empty is Empty.ALLOWED
        assert accepts(schema, number) is expected, (schema, number)


@pytest.mark.parametrize(
    ("empty", "pattern"),
    [(Empty.CHECKED, "^(?:a|b)$"), (Empty.ALLOWED, "^(?:a|b)?$"), (Empty.REFUSED, "^(?:a|b)$")],
)
def test_a_pattern_matches_the_whole_text(empty: Empty, pattern: str) -> None:
    assert text_keywords("a|b", None, empty)["pattern"] == pattern


@pytest.mark.parametrize("pattern", ["[[:alpha:]]+", r"\pL+", "(?i)abc", r"\Qa.b\E", r"\Aa\z", "("])
def test_patterns_that_mean_something_else_in_json_schema_are_left_out(pattern: str) -> None:
    assert not is_portable(pattern)
    assert "pattern" not in text_keywords(pattern, None, Empty.CHECKED)


def test_a_joined_schema_requires_what_each_part_requires() -> None:
    parts = ({"minimum": 1, "maximum": 9}, {"minimum": 2, "maximum": 10}, {"type": "integer"})
    assert join(*parts) == {"minimum": 2, "maximum": 9, "type": "integer"}
    options = join({"anyOf": [{"const": 1}, {"const": 2}]}, {"anyOf": [{"const": 2}, {"const": 3}]})
    assert [accepts(options, number) for number in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"]])
def test_members_of_a_oneof(names: list[str]) -> None:
    for count in range(len(names) + 1):
        value = dict.fromkeys(names[:count], 1)
        assert accepts(at_most_one(names), value) is (count <= 1)
        assert accepts(exactly_one(names), value) is (count == 1)
