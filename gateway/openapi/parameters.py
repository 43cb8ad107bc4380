"""The parameters of OpenAPI operations: path parameters, query parameters and header parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.openapi.keywords import Definition, Empty, JsonSchema, join
from gateway.openapi.messages import FieldNames, emptiness, key_keywords, list_keywords, size_keywords
from gateway.openapi.values import remarks, textual_schema
from gateway.schema import (
    find_fields,
    fits_parameter,
    is_map,
    nested_message,
    other_members,
    read_constraints,
    value_field,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from gateway.openapi.paths import PathParameter
    from gateway.schema import FieldConstraints

_VISIBLE = "^[\\x20-\\x7e]*$"


def _header(name: str, description: str, pattern: str = "") -> Definition:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **({"pattern": pattern} if pattern else {})},
    }


HEADERS: Mapping[str, Definition] = {
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "The same for every attempt at one change, so that the change is made only once.",
        _VISIBLE,
    ),
    "XClientRequestId": _header(
        "X-Client-Request-Id", "ID of the request, for the cloud's support.", _VISIBLE
    ),
    "XClientTraceId": _header(
        "X-Client-Trace-Id", "ID that several requests share, for the cloud's support.", _VISIBLE
    ),
    "XRequestId": _header(
        "X-Request-Id",
        "ID of the request in the gateway's logs and responses, of up to 128 letters, digits and ._:-; "
        "any other value is replaced by a new ID.",
    ),
    "GrpcTimeout": _header(
        "Grpc-Timeout",
        "How long the response may take: up to eight digits and a unit of H, M, S, m, u or n. "
        "The gateway's own limit applies if it is shorter.",
        "^[0-9]{1,8}[HMSmun]$",
    ),
}
"""A mapping from the name of a component to a header parameter.

The first header parameter is only for methods that change something.
"""


LAST_EVENT_ID = _header(
    "Last-Event-ID",
    "ID of the last server-sent event that the client has received; this state is not sent again.",
)
"""The header parameter for methods whose responses can be requested as server-sent events."""


def header_parameters(*, is_read: bool, is_watchable: bool = False) -> list[Definition]:
    """Return references to the header parameters of an operation, and the parameters of this operation only.

    Args:
        is_read: whether the method of the operation only reads.
        is_watchable: whether the responses can be requested as server-sent events.
    """
    names = list(HEADERS)[1:] if is_read else list(HEADERS)
    own = [dict(LAST_EVENT_ID)] if is_watchable else []
    return own + [{"$ref": f"#/components/parameters/{name}"} for name in names]


def variable_fields(descriptor: Descriptor, path: FieldNames) -> tuple[FieldDescriptor, ...]:
    """Return the fields on the field path of a template variable.

    Args:
        descriptor: the request type.
        path: the field path.

    Raises:
        KeyError: the request type has no such field. The router accepts no template with such a variable.
    """
    fields = find_fields(descriptor, path)
    if fields is None:
        raise KeyError(path)
    return fields


def query_parameter_name(fields: Iterable[FieldDescriptor]) -> str:
    """Return the name of the query parameter that sets a field.

    Args:
        fields: the chain of nested fields. It starts at the request type and ends with the field.
    """
    return ".".join(field.json_name for field in fields)


def path_parameter_name(fields: Iterable[FieldDescriptor]) -> str:
    """Return the name of the path parameter that sets a field.

    The name has no dots, because many tools do not accept dots in the names of path parameters.

    Args:
        fields: the chain of nested fields. It starts at the request type and ends with the field.
    """
    return "_".join(field.json_name for field in fields)


def path_parameter(
    descriptor: Descriptor, parameter: PathParameter, comments: Mapping[str, str]
) -> Definition:
    """Return the OpenAPI definition of a path parameter.

    Args:
        descriptor: the request type.
        parameter: the parameter of the OpenAPI path.
        comments: a mapping from the full name of a definition to the text of the definition's comment.
    """
    if parameter.variable is None:
        return _parameter(parameter.name, "path", {"type": "string"}, "")
    field = variable_fields(descriptor, parameter.variable.field_path)[-1]
    texts = [comments.get(field.full_name, "")]
    if parameter.form:
        path = ".".join(parameter.variable.field_path)
        texts.append(f"Part of {path}, whose value is {parameter.form}")
        schema: JsonSchema = {"type": "string"}
    else:
        constraints = read_constraints(field)
        schema = _whole_segment(field, constraints, is_rest=parameter.is_rest)
        texts += remarks(field, constraints, is_text=True)
    if parameter.is_rest:
        texts.append("Matches the rest of the path, slashes included.")
    return _parameter(parameter.name, "path", schema, "\n".join(filter(None, texts)))


def _whole_segment(
    field: FieldDescriptor, constraints: FieldConstraints | None, *, is_rest: bool
) -> JsonSchema:
    if field.cpp_type != field.CPPTYPE_STRING or is_rest:
        return textual_schema(field, constraints, emptiness(field, constraints), is_text=True)
    # A path segment is never empty.
    return join(textual_schema(field, constraints, Empty.CHECKED, is_text=True), {"minLength": 1})


def query_parameters(
    descriptor: Descriptor, body: str, bound: Sequence[FieldNames], comments: Mapping[str, str]
) -> list[Definition]:
    """Return the query parameters of an HTTP rule.

    Args:
        descriptor: the request type.
        body: the `body` of the HTTP rule. If it is `*`, there are no query parameters.
        bound: the field paths of the template variables.
        comments: a mapping from the full name of a definition to the text of the definition's comment.
    """
    if body == "*":
        return []
    excluded = {*bound, (body,)}
    return [_query_parameter(fields, comments) for fields in _leaves(descriptor, (), excluded)]


def _leaves(
    descriptor: Descriptor, above: tuple[FieldDescriptor, ...], excluded: set[FieldNames]
) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Yield the field path of every field that a query parameter can set.

    If a message type contains itself, the type is searched only once on each field path.

    Args:
        descriptor: the message type to search.
        above: the chain of nested fields from the request to the message type. It is empty for the request.
        excluded: the field paths of the fields to leave out.
    """
    for field in descriptor.fields:
        path = (*above, field)
        if tuple(one.name for one in path) in excluded or _has_excluded_sibling(path, excluded):
            continue
        nested = nested_message(field)
        if fits_parameter(field):
            yield path
        elif nested is not None and nested not in {one.containing_type for one in path}:
            yield from _leaves(nested, path, excluded)


def _has_excluded_sibling(path: tuple[FieldDescriptor, ...], excluded: set[FieldNames]) -> bool:
    """Return whether a sibling of the last field on a field path is excluded.

    A sibling is another field in the same oneof. A sibling also counts as excluded if a field inside the
    sibling is excluded.
    """
    prefix = tuple(one.name for one in path[:-1])
    siblings = {(*prefix, one.name) for one in other_members(path[-1])}
    return any(names[: len(path)] in siblings for names in excluded)


def _query_parameter(fields: tuple[FieldDescriptor, ...], comments: Mapping[str, str]) -> Definition:
    field = fields[-1]
    constraints = read_constraints(field)
    texts = [comments.get(field.full_name, ""), *remarks(field, constraints, is_text=True)]
    texts += _oneof_remarks(fields)
    parameter = _parameter(
        query_parameter_name(fields),
        "query",
        _query_schema(field, constraints),
        "\n".join(filter(None, texts)),
    )
    parameter["required"] = len(fields) == 1 and bool(constraints and constraints.required)
    if is_map(field):
        parameter |= {"style": "deepObject", "explode": True}
    if field.GetOptions().deprecated:
        parameter["deprecated"] = True
    return parameter


def _oneof_remarks(fields: tuple[FieldDescriptor, ...]) -> Iterator[str]:
    for depth, field in enumerate(fields):
        members = field.containing_oneof.fields if field.containing_oneof is not None else ()
        if len(members) > 1:
            names = (query_parameter_name((*fields[:depth], one)) for one in members)
            yield f"At most one of: {', '.join(names)}"


def _query_schema(field: FieldDescriptor, constraints: FieldConstraints | None) -> JsonSchema:
    if is_map(field):
        values = textual_schema(value_field(field), constraints, Empty.CHECKED, is_text=True)
        schema: JsonSchema = {"type": "object", "additionalProperties": values}
        if names := key_keywords(field, constraints):
            schema["propertyNames"] = names
        return schema | size_keywords(field, constraints, "minProperties", "maxProperties")
    if field.is_repeated:
        items = textual_schema(field, constraints, Empty.CHECKED, is_text=True)
        return {"type": "array", "items": items} | list_keywords(field, constraints)
    return textual_schema(field, constraints, emptiness(field, constraints), is_text=True)


def _parameter(name: str, place: str, schema: JsonSchema, description: str) -> Definition:
    parameter: Definition = {"name": name, "in": place, "required": True, "schema": schema}
    return parameter | {"description": description} if description else parameter
