"""Builds the OpenAPI document of the gateway."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.openapi.messages import ERROR_DETAIL, MessageSchemas
from gateway.openapi.parameters import (
    HEADERS,
    header_parameters,
    path_parameter,
    path_parameter_name,
    query_parameters,
    variable_fields,
)
from gateway.openapi.paths import PathItems, split_template
from gateway.openapi.responses import (
    JSON,
    STATUS,
    detail_schema,
    error_components,
    header_components,
    is_watchable,
    responses,
)
from gateway.schema import descriptor_of, field_of, reachable_types, read_constraints
from gateway.transcode.http_body import takes_raw_body
from gateway.transcode.template import parse_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.openapi.keywords import Definition
    from gateway.openapi.paths import PathTemplate
    from gateway.schema import HttpRule, Method, Schema
    from gateway.transcode.template import Template

_ABOUT = """\
The cloud's API, served by the gateway with the same paths, messages and errors.

A request may also use the field names of the .proto files, `null` for a field that is not set, numbers
for 64-bit integers, and the numbers of enum values. Unknown fields are refused, and so is a NUL
character in the path or the query."""


def build_document(schema: Schema, comments: Mapping[str, str], *, version: str, server: str) -> Definition:
    """Return the OpenAPI document for the methods of a schema.

    A method that receives a stream of requests is left out, because no listener serves such a method. An
    HTTP rule is left out if OpenAPI does not support the HTTP method of the rule.

    Args:
        schema: the schema with the methods.
        comments: a mapping from the full name of a definition to the text of the definition's comment.
        version: the version of the document.
        server: the default URL of the gateway, such as http://127.0.0.1:8080.
    """
    return _Builder(schema, comments).build(version, server)


def to_json(document: Definition) -> bytes:
    """Return the OpenAPI document as JSON text."""
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


@dataclass(slots=True)
class _Builder:
    schema: Schema
    comments: Mapping[str, str]
    paths: PathItems = field(default_factory=PathItems)

    def build(self, version: str, server: str) -> Definition:
        served = [one for one in self.schema.methods.values() if one.rules]
        inputs, outputs = self._directions(served)
        services = dict.fromkeys(method.service for method in served)
        outputs.message(descriptor_of(self.schema.message(STATUS)))
        outputs.schemas[ERROR_DETAIL] = detail_schema(self.schema, outputs)
        for method, name in _named(served):
            for number, rule in enumerate(method.rules, 1):
                self._add_rule(method, rule, name if number == 1 else f"{name}_{number}", inputs, outputs)
        return {
            "openapi": "3.1.0",
            "info": {"title": "BareMetal image gateway", "version": version, "description": _ABOUT},
            "servers": [{"url": "{gateway}", "variables": {"gateway": {"default": server}}}],
            "security": [{"bearer": []}],
            "tags": [self._tag(service) for service in services],
            "paths": self.paths.items,
            "components": _components(inputs, outputs),
        }

    def _directions(self, served: Iterable[Method]) -> tuple[MessageSchemas, MessageSchemas]:
        """Return two empty sets of component schemas: the first for requests, the second for responses.

        A message type that is used in requests and in responses will have a schema in both sets. The names of
        the two schemas are different.

        Args:
            served: the methods that the document describes.
        """
        reply_types = reachable_types(descriptor_of(method.reply) for method in served)
        inputs = MessageSchemas(
            self.comments, lambda name: f"{name}-Input" if name in reply_types else name, is_input=True
        )
        return inputs, MessageSchemas(self.comments, lambda name: name, is_input=False)

    def _tag(self, service: str) -> Definition:
        text = self.comments.get(service, "")
        return {"name": service, "description": text} if text else {"name": service}

    def _add_rule(
        self, method: Method, rule: HttpRule, name: str, inputs: MessageSchemas, outputs: MessageSchemas
    ) -> None:
        template, request = parse_template(rule.template), descriptor_of(method.request)
        segments = split_template(
            template, lambda names: path_parameter_name(variable_fields(request, names))
        )
        for http_method, path in self.paths.add(rule.http_method, template, segments):
            own_name = name if rule.http_method != "*" else f"{name}_{http_method}"
            operation = self._operation(method, rule, template, path, inputs)
            operation |= {"responses": responses(method, rule, self.schema, outputs, name)}
            self.paths.put(http_method, path, {"operationId": own_name, **operation})

    def _operation(
        self, method: Method, rule: HttpRule, template: Template, path: PathTemplate, inputs: MessageSchemas
    ) -> Definition:
        request = descriptor_of(method.request)
        bound = [variable.field_path for variable in template.variables]
        operation: Definition = {"tags": [method.service], "x-grpc-method": method.name}
        if text := self.comments.get(method.name.replace("/", ".")):
            operation["description"] = text
        operation["parameters"] = [
            *(path_parameter(request, parameter, self.comments) for parameter in path.parameters),
            *query_parameters(request, rule.body, bound, self.comments),
            *header_parameters(is_read=method.is_read, is_watchable=is_watchable(method, self.schema)),
        ]
        if rule.body:
            operation["requestBody"] = _request_body(method, rule, bound, inputs)
        return operation


def _named(methods: list[Method]) -> Iterable[tuple[Method, str]]:
    """Yield each method with a unique operation name.

    An operation name starts with the short name of the service. If two services have the same short name, the
    operation name starts with the full name of the service.
    """
    shorts = Counter(service.rpartition(".")[2] for service in {method.service for method in methods})
    for method in methods:
        short = method.service.rpartition(".")[2]
        service = short if shorts[short] == 1 else method.service
        yield method, f"{service}_{method.name.rpartition('/')[2]}"


def _request_body(
    method: Method, rule: HttpRule, bound: list[tuple[str, ...]], inputs: MessageSchemas
) -> Definition:
    if takes_raw_body(method, rule):
        return {"required": False, "content": {"*/*": {}}}
    request = descriptor_of(method.request)
    if rule.body == "*":
        schema = inputs.object(request, bound) if bound else inputs.message(request)
        needed = any(_is_required(one.name, method) for one in request.fields if (one.name,) not in bound)
    else:
        nested = {path[1:] for path in bound if path[0] == rule.body}
        schema = inputs.field(request.fields_by_name[rule.body], nested)
        needed = _is_required(rule.body, method)
    return {"required": needed, "content": {JSON: {"schema": schema}}}


def _is_required(name: str, method: Method) -> bool:
    constraints = read_constraints(field_of(method.request, name))
    return constraints is not None and constraints.required


def _components(inputs: MessageSchemas, outputs: MessageSchemas) -> Definition:
    bearer = {"type": "http", "scheme": "bearer", "description": "IAM token of the cloud."}
    schemas = {**inputs.schemas, **outputs.schemas}
    return {
        "schemas": {name: schemas[name] for name in sorted(schemas)},
        "responses": error_components(),
        "parameters": dict(HEADERS),
        "headers": header_components(),
        "securitySchemes": {"bearer": bearer},
    }
