"""The gateway's own document, made exact for a fuzzer, and rich in what exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conftest import GOOD_IMAGE

_CREATE = "yandex.cloud.baremetal.v1alpha.CreateImageRequest"


def sharpen(document: dict[str, Any], ids: dict[str, list[str]]) -> dict[str, Any]:
    """Change a document in place, and return it.

    What the document says in words only is put in keywords: null stands for "not set" in every body, and no
    parameter holds a NUL. A reply may have no field that the document does not know. Nobody asks for an
    answer within a nanosecond.

    Args:
        document: as the gateway serves it.
        ids: name of a path parameter → values to try beside made-up ones.
    """
    schemas = document["components"]["schemas"]
    _favour_the_allowed(schemas[_CREATE])
    for schema in [*schemas.values(), *_inline_bodies(document)]:
        if schema.get("additionalProperties") is False:
            _take_null(schema)
        elif schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    for item in document["paths"].values():
        for operation in item.values():
            _refine(operation["parameters"], ids)
    document["components"]["parameters"]["GrpcTimeout"]["schema"]["pattern"] = "^[1-9][0-9]{0,3}S$"
    del document["security"]  # a token is sent with every request; what is in it is the cloud's business
    return document


def _take_null(schema: dict[str, Any]) -> None:
    for name, one in schema["properties"].items():
        if name not in schema.get("required", ()):
            schema["properties"][name] = {"anyOf": [one, {"type": "null"}]}


def _favour_the_allowed(schema: dict[str, Any]) -> None:
    """Let what the policies allow come often, or every create would be denied."""
    for name, value in GOOD_IMAGE.items():
        schema["properties"][name] = {"anyOf": [schema["properties"][name], {"const": value}]}


def _inline_bodies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {})
            yield from (one["schema"] for one in content.values() if "properties" in one.get("schema", {}))


def _refine(parameters: list[dict[str, Any]], ids: dict[str, list[str]]) -> None:
    for parameter in parameters:
        if parameter.get("schema", {}).get("type") == "string":
            parameter["schema"].setdefault("pattern", "^[^\\u0000]*$")
        if known := ids.get(parameter.get("name", "")):
            parameter["schema"] = {"anyOf": [parameter["schema"], {"enum": known}]}
