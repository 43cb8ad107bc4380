"""Responses of operations."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs

from gateway.openapi.messages import MessageSchemas
from gateway.openapi.responses import responses
from gateway.schema import HttpRule, Schema, descriptor_of
from gateway.transcode import JsonWriter


def content(document: Any, path: str, http_method: str = "get") -> Any:
    return document["paths"][path][http_method]["responses"]["200"]["content"]


def test_streams_are_texts_of_either_framing(wire: Any) -> None:
    found = content(wire, "/wire/events")
    assert list(found) == ["application/x-ndjson", "text/event-stream"]
    schema = found["application/x-ndjson"]["schema"]
    assert schema["contentSchema"] == {"$ref": "#/components/schemas/test.wire.v1.Event"}


def test_bytes_of_any_type(wire: Any) -> None:
    assert content(wire, "/wire/files/{name}") == {"*/*": {}}
    assert wire["paths"]["/wire/files/{name}"]["put"]["requestBody"]["content"] == {"*/*": {}}


def test_a_field_as_the_answer(library: Any, wire: Any) -> None:
    strings = content(library, "/v1/strings", "put")["application/json"]["schema"]
    assert strings == {"type": "array", "items": {"type": "string"}}
    number = content(library, "/v1/number", "put")["application/json"]["schema"]
    assert (number["type"], number["format"]) == ("string", "int64")
    thing = content(wire, "/wire/things/{thing_name}")["application/json"]["schema"]
    assert thing == {"$ref": "#/components/schemas/test.wire.v1.Thing"}


def test_operations_of_a_types_own_form(odd: Any) -> None:
    schemas = odd["components"]["schemas"]
    assert content(odd, "/odd:pack", "post")["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Odd_Pack-Operation"
    }
    duration = schemas["google.protobuf.Duration-Packed"]
    assert duration["required"] == ["@type", "value"]
    assert duration["properties"]["value"]["type"] == "string"
    # An option on a method whose reply is no Operation changes nothing.
    assert content(odd, "/odd:packElse", "post")["application/json"]["schema"] == {
        "$ref": "#/components/schemas/odd.v1.Thing"
    }


def test_a_field_that_is_not_set_as_the_response(schemas: dict[str, Schema]) -> None:
    schema = schemas["test.v1.Library"]
    method = schema.methods["test.v1.Library/Search"]
    outputs = MessageSchemas({}, lambda name: name, is_input=False)
    outputs.message(descriptor_of(schema.message("google.rpc.Status")))
    writer, empty = JsonWriter(schema.pool), method.reply()
    for field in descriptor_of(empty).fields:
        rule = HttpRule(http_method="GET", template="/", body="", response_body=field.name)
        content = responses(method, rule, schema, outputs, "Search")["200"]["content"]["application/json"]
        whole = {**content["schema"], "components": {"schemas": outputs.schemas}}
        written = json.loads(writer.write(empty, field.name))
        assert jsonschema_rs.Draft202012Validator(whole).is_valid(written), (field.name, written)
