"""The responses of OpenAPI operations: replies, errors and response headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.openapi.messages import reference
from gateway.openapi.values import ANY_SCHEMA
from gateway.schema import descriptor_of, field_of
from gateway.schema.well_known import NULL_WHEN_UNSET
from gateway.transcode.http_body import returns_raw_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.keywords import Definition, JsonSchema
    from gateway.openapi.messages import MessageSchemas
    from gateway.schema import HttpRule, Method, Schema

JSON = "application/json"
STATUS = "google.rpc.Status"
EVENTS = "text/event-stream"
_OPERATION_GET = "yandex.cloud.operation.OperationService/Get"
_OPERATION_WATCH = "baremetal_gateway.v1.Operations/Watch"
_DETAILS = "google/rpc/error_details.proto"

ERRORS: Mapping[str, str] = {
    "400": "The request is malformed, breaks a constraint of the API, or does not fit the present state.",
    "401": "The credentials are missing, or not accepted.",
    "403": "A policy denies the call, with a field violation for each broken rule; or the cloud does.",
    "404": "The resource does not exist, or no method has this path.",
    "408": "The body did not arrive in time.",
    "409": "The resource already exists, or another change was made at the same time.",
    "413": "The body is too large.",
    "415": "The body is not JSON in UTF-8.",
    "429": "Too many calls are under way, or a quota is used up.",
    "431": "The headers are too large.",
    "500": "The gateway or the cloud failed.",
    "501": "The cloud does not implement the method.",
    "503": "The cloud cannot be reached, or the gateway is about to stop.",
    "504": "There was no response in time.",
    "default": "Any other error.",
}
_HEADERS = {
    "XRequestId": ("x-request-id", "ID of the request: the caller's own, or a new one.", True),
    "XServerTraceId": ("x-server-trace-id", "ID of the request's trace.", True),
    "Warning": ("Warning", 'For each policy that warns: 299 - "what is wrong".', False),
}


def header_components() -> dict[str, Definition]:
    """Return the OpenAPI components for the response headers."""
    return {
        name: {"description": text, "required": is_required, "schema": {"type": "string"}}
        for name, (_, text, is_required) in _HEADERS.items()
    }


def error_components() -> dict[str, Definition]:
    """Return the OpenAPI components for the error responses."""
    return {
        _error_name(status): _response(description, {JSON: {"schema": reference(STATUS)}})
        for status, description in ERRORS.items()
    }


def detail_schema(schema: Schema, outputs: MessageSchemas) -> JsonSchema:
    """Return the schema of a detail of a Status. The schema also allows a detail of an unknown type.

    Args:
        schema: the schema of the API. Its descriptor pool has the known detail types.
        outputs: the component schemas for responses. The schemas of the known detail types are added.
    """
    known = list(schema.pool.FindFileByName(_DETAILS).message_types_by_name.values())
    urls = [f"type.googleapis.com/{one.full_name}" for one in known if one.containing_type is None]
    other = {**ANY_SCHEMA, "properties": {"@type": {"type": "string", "not": {"enum": urls}}}}
    return {"oneOf": [*(outputs.packed(one) for one in known), other]}


def responses(
    method: Method, rule: HttpRule, schema: Schema, outputs: MessageSchemas, name: str
) -> Definition:
    """Return the responses of an OpenAPI operation.

    Args:
        method: the method of the operation.
        rule: the HTTP rule of the operation.
        schema: the schema of the API, which has the types of long-running operations.
        outputs: the component schemas for responses. Schemas that are missing are added.
        name: the name of the OpenAPI operation.
    """
    content = _content(method, rule, schema, outputs, name)
    successes = {"200": _response("The response.", content)}
    if is_watchable(method, schema):
        content[EVENTS] = _stream(outputs.message(descriptor_of(method.reply)))
        description = "The operation is done, and the client has received its last event already."
        successes["204"] = _response(description, {})
    errors = {status: {"$ref": f"#/components/responses/{_error_name(status)}"} for status in ERRORS}
    return {**successes, **errors}


def is_watchable(method: Method, schema: Schema) -> bool:
    """Return whether a method can send server-sent events: one for each change of an operation."""
    return method.name == _OPERATION_GET and _OPERATION_WATCH in schema.methods


def _error_name(status: str) -> str:
    return f"Error{status}" if status.isdigit() else "Error"


def _response(description: str, content: Definition) -> Definition:
    headers = {title: {"$ref": f"#/components/headers/{name}"} for name, (title, _, _) in _HEADERS.items()}
    return {"description": description, "headers": headers, "content": content}


def _content(
    method: Method, rule: HttpRule, schema: Schema, outputs: MessageSchemas, name: str
) -> Definition:
    if returns_raw_body(method, rule):
        return {"*/*": {}}
    if method.server_streaming:
        each = outputs.message(descriptor_of(method.reply))
        return {"application/x-ndjson": _stream(each), EVENTS: _stream(each)}
    if rule.response_body:
        return {JSON: {"schema": _part(method, rule, outputs)}}
    if method.operation is not None:
        return {JSON: {"schema": _operation(method, schema, outputs, name)}}
    return {JSON: {"schema": outputs.message(descriptor_of(method.reply))}}


def _stream(each: JsonSchema) -> Definition:
    """Return the media type object for a stream of replies.

    OpenAPI 3.1 cannot describe the elements of a stream. The schema therefore describes the stream as text.

    Args:
        each: the schema of one reply.
    """
    text = {"type": "string", "contentMediaType": JSON, "contentSchema": each}
    return {
        "schema": {
            **text,
            "description": "One JSON text for each message; an error ends the stream as a Status.",
        }
    }


def _part(method: Method, rule: HttpRule, outputs: MessageSchemas) -> JsonSchema:
    field = field_of(method.reply, rule.response_body)
    schema = outputs.field(field)
    is_nullable = field.message_type is not None and field.message_type.full_name in NULL_WHEN_UNSET
    return {"anyOf": [schema, {"type": "null"}]} if is_nullable and not field.is_repeated else schema


def _operation(method: Method, schema: Schema, outputs: MessageSchemas, name: str) -> JsonSchema:
    """Return the schema of the reply of a long-running method.

    The reply is an operation message. Its schema describes the types that the Any fields `metadata` and
    `response` contain for this method.
    """
    reply = descriptor_of(method.reply)
    if method.operation is None or not {"metadata", "response"} <= set(reply.fields_by_name):
        return outputs.message(reply)
    component = outputs.object(reply)
    types = {"metadata": method.operation.metadata, "response": method.operation.response}
    for part, type_name in types.items():
        packed = outputs.packed(descriptor_of(schema.message(type_name)))
        component["properties"][part] = outputs.described(packed, f"{reply.full_name}.{part}")
    outputs.schemas[f"{name}-Operation"] = component
    return reference(f"{name}-Operation")
