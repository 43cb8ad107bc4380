"""Paths, and what varies in them."""

from __future__ import annotations

from typing import Any

import pytest


def parameters(document: Any, path: str, http_method: str) -> dict[str, Any]:
    return {
        one["name"]: one
        for one in document["paths"][path][http_method]["parameters"]
        if one.get("in") == "path"
    }


def http_methods(document: Any) -> dict[str, list[str]]:
    return {path: list(item) for path, item in document["paths"].items()}


def test_paths_of_the_library(library: Any) -> None:
    assert http_methods(library) == {
        "/v1/search": ["get", "head"],
        "/v1/things/{fString}": ["get", "post"],
        "/v1/things": ["post"],
        "/v1/things/{fString}:start": ["post"],
        "/v1/shelves/{inner_name_1}/books/{inner_name_2}": ["patch", "put"],
        "/v1/strings": ["put"],
        "/v1/number": ["put"],
        "/v1/labels/{fString}": ["put"],
        "/v1/choice/{oneText}": ["put"],
        "/v1/files/{fString}": ["get"],
        "/v1/files/{fString}:version": ["get"],
        "/v1/typed/{wBool}/{ts}/{color}/{fInt64}/{wInt64}/{fBytes}": ["get"],
        "/v1/any/{fString}": ["get", "put", "post", "delete", "patch"],
    }
    names = {one["operationId"] for one in library["paths"]["/v1/any/{fString}"].values()}
    assert "Library_Whatever_delete" in names


def test_a_variable_of_several_segments_is_a_parameter_for_each(library: Any) -> None:
    parts = parameters(library, "/v1/shelves/{inner_name_1}/books/{inner_name_2}", "put")
    assert list(parts) == ["inner_name_1", "inner_name_2"]
    assert parts["inner_name_1"]["description"] == ("Part of inner.name, whose value is shelves/*/books/*")


def test_the_rest_of_a_path(library: Any) -> None:
    parts = parameters(library, "/v1/files/{fString}", "get")
    assert parts["fString"]["description"].endswith("slashes included.")
    assert parts["fString"]["schema"] == {"type": "string"}


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("wBool", {"type": "boolean"}),
        ("ts", {"type": "string", "format": "date-time"}),
        ("color", {"type": "string", "enum": ["COLOR_UNSPECIFIED", "RED", "BLUE"]}),
        ("fInt64", {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}),
    ],
)
def test_types_in_a_path(library: Any, name: str, schema: Any) -> None:
    parts = parameters(library, "/v1/typed/{wBool}/{ts}/{color}/{fInt64}/{wInt64}/{fBytes}", "get")
    assert parts[name]["schema"] == schema
    assert all(one["required"] for one in parts.values())


def test_one_shape_of_path_is_one_path(odd: Any) -> None:
    assert http_methods(odd) == {
        "/odd/{id}": ["get", "put"],
        "/odd/{id_}": ["get"],  # {id=**}
        "/odd/{segment2}/one/{id}/%7Bx%7D:do": ["get"],
        "/odd/choice/{a}": ["post"],
        "/odd/places": ["post"],
        "/odd:pack": ["post"],
        "/odd:packElse": ["post"],
    }
    assert list(parameters(odd, "/odd/{id}", "put")) == ["id"]  # that fills place.town
    assert "slashes included" in parameters(odd, "/odd/{id_}", "get")["id_"]["description"]


def test_what_openapi_cannot_say_is_left_out(odd: Any, wire: Any) -> None:
    names = {one["x-grpc-method"] for item in odd["paths"].values() for one in item.values()}
    assert "odd.v1.Odd/Link" not in names  # an HTTP method of its own
    assert "odd.v1.Odd/Unrouted" not in names
    assert list(wire["paths"]["/wire/events"]) == ["get"]  # Pour is excluded
