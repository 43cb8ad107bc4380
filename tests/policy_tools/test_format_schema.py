from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no stubs among what is installed
import pytest

from gateway.documents import load_documents
from gateway.policy_tools import format_schema
from tests.conftest import ROOT

SCHEMA = format_schema()
FILES = sorted((ROOT / "policies").rglob("*.yaml"))
DOCUMENTS = [one.value for file in FILES for one in load_documents(file.read_text(), file.name)]
WAIVER: dict[str, Any] = {
    "apiVersion": "baremetal-gateway/v1",
    "kind": "Waiver",
    "metadata": {"name": "w"},
    "spec": {"binding": "b", "rules": ["r"], "owner": "o", "ticket": "t", "expires": "2026-12-31"},
}


def is_valid(document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(document))


def test_is_a_schema_that_is_json() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, WAIVER], ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_accepts_the_documents_that_ship(document: dict[str, Any]) -> None:
    assert is_valid(document)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of an object whose keys the format knows."""
    free = {"params", "variables", "request", "claims", "labels"}
    if isinstance(value, dict):
        inner = [
            place for key, one in value.items() if key not in free for place in places(one, (*path, key))
        ]
        return [path, *inner]
    if isinstance(value, list):
        return [place for index, one in enumerate(value[:1]) for place in places(one, (*path, index))]
    return []


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, WAIVER], ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_refuses_a_misspelt_key_anywhere(document: dict[str, Any]) -> None:
    for path in places(document):
        if document["kind"] == "Params" and path == ("spec",):
            continue  # any name may be that of a parameter
        for key in [*_at(document, path), None]:
            wrong = copy.deepcopy(document)
            here = _at(wrong, path)
            here[f"{key}x"] = here.pop(key, 1)
            assert not is_valid(wrong), (path, key)


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


BAD: list[Any] = [
    {},
    [],
    None,
    "text",
    {**WAIVER, "kind": "Exception"},
    {**WAIVER, "apiVersion": "v1"},
    {**WAIVER, "spec": {**WAIVER["spec"], "rules": []}},
    {**WAIVER, "spec": {**WAIVER["spec"], "owner": ""}},
    {**WAIVER, "spec": {**WAIVER["spec"], "expires": 20261231}},
    {**DOCUMENTS[0], "spec": {**DOCUMENTS[0]["spec"], "methods": []}},
]


@pytest.mark.parametrize("document", [pytest.param(one, id=str(number)) for number, one in enumerate(BAD)])
def test_refuses_what_a_bundle_refuses(document: Any) -> None:
    assert not is_valid(document)


def test_says_what_keys_are_for_without_noise() -> None:
    text = json.dumps(SCHEMA)
    assert "Attributes:" not in text
    assert SCHEMA["title"] == "A document of a bundle of policies"
    assert text.count('"title"') == 1
    rule = SCHEMA["$defs"]["Rule"]["properties"]
    assert rule["assert"]["description"] == "CEL; true when the request meets the rule."
    assert rule["severity"]["enum"] == ["low", "medium", "high", "critical"]
    assert set(SCHEMA["$defs"]["BindingSpec"]["properties"]) == {
        "policy",
        "action",
        "when",
        "paramsFrom",
        "params",
    }
