"""Schemas of single values."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi.keywords import Empty
from gateway.openapi.values import integer_pattern, remarks, special_form, textual_schema
from gateway.schema import Schema, descriptor_of, read_constraints, value_field
from gateway.schema.well_known import SPECIAL_IN_JSON, WRAPPERS


def field_named(schemas: dict[str, Schema], service: str, name: str) -> Any:
    message = schemas[service].message(f"{service.rpartition('.')[0]}.Everything")
    return descriptor_of(message).fields_by_name[name]


def test_every_special_type_but_the_wrappers_has_a_form() -> None:
    assert {name for name in SPECIAL_IN_JSON if special_form(name) is None} == WRAPPERS
    assert special_form("google.rpc.Status") is None


@pytest.mark.parametrize(
    ("name", "in_json", "in_a_parameter"),
    [
        ("f_bool", {"type": "boolean"}, {"type": "boolean"}),
        ("f_int64", "string", "integer"),
        ("f_int32", "integer", "integer"),
        ("color", "string", "string"),
        ("ts", {"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ("w_bool", {"anyOf": [{"type": "boolean"}, {"type": "null"}]}, {"type": "boolean"}),
        ("r_bool_value", {"type": "boolean"}, {"type": "boolean"}),
        ("m_flag", {"type": "boolean"}, {"type": "boolean"}),
        ("one_null", {"type": "null"}, {"type": "string", "enum": ["NULL_VALUE"]}),
    ],
)
def test_a_value_in_json_and_in_a_parameter(
    schemas: dict[str, Schema], name: str, in_json: Any, in_a_parameter: Any
) -> None:
    field = value_field(field_named(schemas, "test.v1.Library", name))
    for is_text, expected in ((False, in_json), (True, in_a_parameter)):
        found = textual_schema(field, None, Empty.CHECKED, is_text=is_text)
        assert (found["type"] if isinstance(expected, str) else found) == expected


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("f_int32", "^-?(?:0|[1-9][0-9]{0,9})$"), ("f_uint64", "^(?:0|[1-9][0-9]{0,19})$")],
)
def test_integers_as_text(schemas: dict[str, Schema], name: str, pattern: str) -> None:
    assert integer_pattern(field_named(schemas, "test.v1.Library", name)) == pattern


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("dur", ["Value: 1h-24h"]),
        ("raw", ["Length in bytes: 2-4"]),
        ("in_bytes", ["Encoded size in bytes: <=4"]),
        ("number", ["Value: 1-1000"]),  # 64 bits: text in JSON
        ("length", []),
    ],
)
def test_constraints_without_a_keyword_become_sentences(
    schemas: dict[str, Schema], name: str, sentences: list[str]
) -> None:
    field = field_named(schemas, "rules.v1.Rules", name)
    assert remarks(field, read_constraints(field), is_text=False) == sentences
    assert remarks(field, None, is_text=False) == []
