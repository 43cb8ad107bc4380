"""The parameters of the query."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi.parameters import query_parameters
from gateway.schema import Schema, descriptor_of
from tests.openapi.test_document import body_of, resolve


def query(document: Any, path: str, http_method: str = "get") -> dict[str, Any]:
    return {
        one["name"]: one
        for one in document["paths"][path][http_method]["parameters"]
        if one.get("in") == "query"
    }


@pytest.fixture
def search(library: Any) -> dict[str, Any]:
    return query(library, "/v1/search")


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("fBool", {"type": "boolean"}),
        ("rString", {"type": "array", "items": {"type": "string"}}),
        ("mString", {"type": "object", "additionalProperties": {"type": "string"}}),
        ("wString", {"type": "string"}),
        ("inner.name", {"type": "string"}),
        ("oneNull", {"type": "string", "enum": ["NULL_VALUE"]}),
        (
            "mColor",
            {
                "type": "object",
                "additionalProperties": {"type": "string", "enum": ["COLOR_UNSPECIFIED", "RED", "BLUE"]},
            },
        ),
    ],
)
def test_types(search: dict[str, Any], name: str, schema: Any) -> None:
    assert search[name]["schema"] == schema


def test_maps_are_written_with_brackets(search: dict[str, Any]) -> None:
    assert (search["mString"]["style"], search["mString"]["explode"]) == ("deepObject", True)


def test_what_text_cannot_set_is_no_parameter(search: dict[str, Any]) -> None:
    assert not {"struct", "value", "list", "any", "rInner", "mInner", "inner", "rValue"} & set(search)


def test_a_type_within_itself_is_gone_into_once(search: dict[str, Any]) -> None:
    assert {"inner.name", "inner.pageCount", "inner.byRoad"} <= set(search)
    assert not any(name.startswith("inner.inner") for name in search)
    assert "loop.ring.loop" not in search


def test_members_of_a_oneof_name_the_others(search: dict[str, Any]) -> None:
    assert search["inner.byRoad"]["description"] == "At most one of: inner.byRoad, inner.bySea"
    assert "oneText, oneNumber, oneInner" in search["oneOther.name"]["description"]


def test_constraints_that_no_keyword_says(documents: dict[str, Any]) -> None:
    found = query(documents["rules.v1.Rules"], "/check")
    assert found["dur"]["description"] == "Value: 1h-24h"
    assert found["raw"]["description"] == "Length in bytes: 2-4"
    assert found["inBytes"]["description"] == "Encoded size in bytes: <=4"
    assert found["number"]["schema"]["anyOf"] == [{"const": 0}, {"minimum": 1, "maximum": 1000}]
    assert found["list"]["schema"]["uniqueItems"] is True
    assert found["labels"]["schema"]["maxProperties"] == 3


def test_patterns_that_are_not_portable_are_told_in_words(odd: Any) -> None:
    found = query(odd, "/odd/{id}")
    assert found["posix"]["schema"] == {"type": "string"}
    assert found["posix"]["description"] == "Matches the RE2 pattern [[:alpha:]]+"
    assert "pattern" not in found["brokenEcma"]["schema"]
    thing = resolve(odd, body_of(odd, "post", "/odd:pack"))
    assert thing["properties"]["oddKeys"]["propertyNames"] == {"description": "Matches the RE2 pattern \\pL+"}


def test_what_path_and_body_set_is_no_parameter(library: Any, wire: Any, odd: Any) -> None:
    assert "fString" not in query(library, "/v1/things/{fString}")
    assert query(library, "/v1/things/{fString}", "post") == {}
    assert list(query(wire, "/wire/things/{thing_name}", "patch")) == ["updateMask"]
    assert "thing.color" in query(wire, "/wire/things/{thing_name}")
    assert "thing.name" not in query(wire, "/wire/things/{thing_name}")
    # a oneof's other members
    assert not {"oneNumber", "oneText"} & set(query(library, "/v1/choice/{oneText}", "put"))
    assert not {"a", "b"} & set(query(odd, "/odd/places", "post"))


def test_a_path_within_a_member_of_a_oneof_excludes_the_others(schemas: dict[str, Schema]) -> None:
    choice = descriptor_of(schemas["odd.v1.Odd"].message("odd.v1.Choice"))
    found = query_parameters(choice, "", [("place", "town")], {})
    assert [one["name"] for one in found] == ["place.street", "c", "d", "e", "f"]


def test_body_less_what_the_path_sets(odd: Any, wire: Any) -> None:
    chosen = body_of(odd, "post", "/odd/choice/{a}")
    assert list(chosen["properties"]) == ["c", "d", "e", "f"]
    placed = body_of(odd, "put", "/odd/{id}")
    assert list(placed["properties"]["place"]["properties"]) == ["street"]
    thing = body_of(wire, "patch", "/wire/things/{thing_name}")
    assert list(thing["properties"]) == ["color", "labels", "size"]


def test_a_type_that_is_taken_and_given_has_two_schemas(library: Any) -> None:
    schemas = library["components"]["schemas"]
    assert schemas["test.v1.Inner-Input"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["test.v1.Inner"]
