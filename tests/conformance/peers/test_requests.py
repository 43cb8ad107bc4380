"""paths, query, scalars, wellknown, written, masks: what a request means, and how an answer is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from google.protobuf import text_format

from gateway.errors import Code, GatewayError
from tests.conformance.peers.cases import Case, load_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.schema import Schema
    from gateway.transcode import JsonWriter

    Bind = Callable[..., Any]


def refused_fields(bind: Bind, request: str, body: bytes = b"") -> list[str]:
    """Bind what has to be refused and return the fields that the refusal names."""
    with pytest.raises(GatewayError) as caught:
        bind(request, body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return [one.field for one in caught.value.violations]


def body_of(case: Case) -> bytes:
    return json.dumps(case["body"]).encode() if "body" in case else b""


@pytest.mark.parametrize("case", [*load_cases("paths", "cases"), *load_cases("query", "cases")])
def test_path_and_query(bind: Bind, peers_writer: JsonWriter, case: Case) -> None:
    if "refused" in case:
        assert refused_fields(bind, case["request"], body_of(case)) == case["refused"]
    else:
        assert peers_writer.to_tree(bind(case["request"], body_of(case))) == case["message"]


def ways(case: Case) -> list[tuple[str, bytes]]:
    """Return the requests that say a field's text: by the query, and by the body."""
    found = [(f"GET /v1/search?{case['field']}={quote(case['text'], safe='')}", b"")]
    if case.get("only") != "query":
        found.append(("POST /v1/things", json.dumps({case["field"]: case["text"]}).encode()))
    return found


@pytest.mark.parametrize("case", [*load_cases("scalars", "accepted"), *load_cases("wellknown", "accepted")])
def test_accepted_text(bind: Bind, peers_writer: JsonWriter, case: Case) -> None:
    for request, body in ways(case):
        assert peers_writer.to_tree(bind(request, body)) == {case["field"]: case["value"]}


@pytest.mark.parametrize("case", [*load_cases("scalars", "refused"), *load_cases("wellknown", "refused")])
def test_refused_text(bind: Bind, peers_schema: Schema, case: Case) -> None:
    fields = peers_schema.message("test.v1.Everything").DESCRIPTOR.fields
    name = next(field.name for field in fields if field.json_name == case["field"])
    for request, body in ways(case):
        assert refused_fields(bind, request, body) == [name]


@pytest.mark.parametrize("case", load_cases("written", "cases"))
def test_written(peers_schema: Schema, peers_writer: JsonWriter, case: Case) -> None:
    message = text_format.Parse(case["text"], peers_schema.message("test.v1.Everything")())
    assert json.loads(peers_writer.write(message)) == case["json"]


@pytest.mark.parametrize("case", load_cases("masks", "cases"))
def test_mask(bind: Bind, case: Case) -> None:
    if "refused" in case:
        assert refused_fields(bind, case["request"], body_of(case)) == case["refused"]
    else:
        assert list(bind(case["request"], body_of(case)).mask.paths) == case["mask"]
