"""Paths to values in requests."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.transcode.json_path import JsonPath, plain_name, show_path


@dataclass(frozen=True)
class Field:
    name: str
    json_name: str
    holds_any: bool = False


LABELS, ITEMS = Field("my_labels", "myLabels"), Field("my_items", "myItems")
DETAILS = Field("my_details", "myDetails", holds_any=True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (None, ""),
        ((None, LABELS), "my_labels"),
        (((None, ITEMS), LABELS), "my_items.my_labels"),
        (((None, ITEMS), 3), "my_items[3]"),
        ((((None, ITEMS), 3), LABELS), "my_items[3].my_labels"),
        (((None, LABELS), ("a.b",)), 'my_labels["a.b"]'),
        (((None, LABELS), ('a"b',)), 'my_labels["a\\"b"]'),
        (((None, LABELS), "unknown"), "my_labels.unknown"),
        ((None, ("a",)), '["a"]'),
        ((((None, DETAILS), 0), LABELS), "my_details[0].myLabels"),
        (((((None, DETAILS), 0), ITEMS), DETAILS), "my_details[0].myItems.myDetails"),
        (((None, DETAILS), "@type"), "my_details.@type"),
    ],
)
def test_text_of_a_path(path: JsonPath, text: str) -> None:
    assert show_path(path) == text


@pytest.mark.parametrize("name", ["a", "a_b", "A1", "@type", "a" * 64])
def test_a_name_like_that_of_a_field_is_plain(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize("name", ["", "a.b", "a b", "имя", "@other", "a" * 65, "a\0"])
def test_other_names_are_quoted(name: str) -> None:
    assert plain_name(name).startswith('"')
