"""Conversion of message types to OpenAPI component schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.openapi.keywords import (
    Empty,
    JsonSchema,
    at_most_one,
    exactly_one,
    is_portable,
    length_keywords,
    text_keywords,
)
from gateway.openapi.values import integer_pattern, remarks, special_form, textual_schema
from gateway.schema import (
    entry_of,
    is_map,
    other_members,
    read_constraints,
    requires_one,
    value_field,
)
from gateway.schema.well_known import SCALAR_IN_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

    from gateway.schema import FieldConstraints

FieldNames: TypeAlias = tuple[str, ...]
"""A field path: the field names that lead from a protobuf message to a field inside the message."""

_STATUS_DETAILS = "google.rpc.Status.details"
ERROR_DETAIL = "ErrorDetail"


class MessageSchemas:
    """The component schemas for requests, or the component schemas for responses.

    A schema is added at its first use. The schema of a request has constraints and does not allow unknown
    fields. The schema of a response has no constraints. It allows unknown fields, because later versions of
    the API may add fields to a response.

    Attributes:
        schemas: a mapping from the name of a component to the schema of the component.
    """

    def __init__(self, comments: Mapping[str, str], name: Callable[[str], str], *, is_input: bool) -> None:
        """Create an object without schemas.

        Args:
            comments: a mapping from the full name of a definition to the text of the definition's comment.
            name: the function that converts the full name of a message type to the name of a component.
            is_input: whether the schemas are for requests. If false, the schemas are for responses.
        """
        self.schemas: dict[str, JsonSchema] = {}
        self._comments = comments
        self._name = name
        self._is_input = is_input

    def message(self, descriptor: Descriptor) -> JsonSchema:
        """Return the schema of a message type.

        For a type with a special JSON form, return the complete schema. For all other types, return a
        reference to a component.
        """
        special = special_form(descriptor.full_name)
        if special is not None:
            return special
        name = self._name(descriptor.full_name)
        if name not in self.schemas:
            self.schemas[name] = {}  # the name is reserved first, because a type may contain itself
            self.schemas[name] = self.object(descriptor)
        return reference(name)

    def packed(self, descriptor: Descriptor) -> JsonSchema:
        """Return a reference to the schema of an Any that contains a message of the given type.

        The schema includes the property "@type".
        """
        name = f"{self._name(descriptor.full_name)}-Packed"
        if name not in self.schemas:
            is_special = special_form(descriptor.full_name) is not None
            inner: JsonSchema = (
                {"type": "object", "properties": {"value": self.message(descriptor)}, "required": ["value"]}
                if is_special
                else self.object(descriptor)
            )
            url = f"type.googleapis.com/{descriptor.full_name}"
            inner["properties"] = {"@type": {"type": "string", "const": url}, **inner["properties"]}
            inner["required"] = ["@type", *inner.get("required", [])]
            self.schemas[name] = inner
        return reference(name)

    def object(self, descriptor: Descriptor, omitted: Iterable[FieldNames] = ()) -> JsonSchema:
        """Return the schema of a message type as an object with properties.

        Args:
            descriptor: the message type.
            omitted: the field paths to leave out of the schema, because the URL sets these fields.
        """
        omitted = set(omitted)
        set_elsewhere = {path[0] for path in omitted}
        absent = {path[0] for path in omitted if len(path) == 1} | set(_other_members(descriptor, omitted))
        fields = [field for field in descriptor.fields if field.name not in absent]
        schema: JsonSchema = {"type": "object", "properties": {}}
        for field in fields:
            inside = {path[1:] for path in omitted if len(path) > 1 and path[0] == field.name}
            schema["properties"][field.json_name] = self.field(field, inside)
        required = [
            field.json_name
            for field in fields
            if field.name not in set_elsewhere and self._is_required(field)
        ]
        if required:
            schema["required"] = required
        if self._is_input:
            schema["additionalProperties"] = False
        for oneof in descriptor.oneofs:
            if set_elsewhere.isdisjoint(field.name for field in oneof.fields):
                schema = self._with_oneof(schema, oneof)
        return self.described(schema, descriptor.full_name)

    def field(self, field: FieldDescriptor, omitted: Iterable[FieldNames] = ()) -> JsonSchema:
        """Return the schema of the value of a field.

        Args:
            field: the field.
            omitted: the field paths to leave out of the schema. A field path starts at the type of the field.
        """
        constraints = read_constraints(field) if self._is_input else None
        schema = self._value(field, constraints, set(omitted))
        if field.GetOptions().deprecated:
            schema = {**schema, "deprecated": True}
        one = value_field(field)
        sentences = [
            *remarks(one, constraints, is_text=False),
            *enum_lines(one, self._comments),
        ]
        return self.described(schema, field.full_name, sentences)

    def _is_required(self, field: FieldDescriptor) -> bool:
        constraints = read_constraints(field) if self._is_input else None
        return constraints is not None and constraints.required

    def _value(
        self, field: FieldDescriptor, constraints: FieldConstraints | None, omitted: set[FieldNames]
    ) -> JsonSchema:
        if omitted and field.message_type is not None:
            return self.object(field.message_type, omitted)
        if is_map(field):
            return self._map(field, constraints)
        if field.is_repeated:
            return self._list(field, constraints)
        return self._one(field, constraints, emptiness(field, constraints))

    def _one(self, field: FieldDescriptor, constraints: FieldConstraints | None, empty: Empty) -> JsonSchema:
        if field.full_name == _STATUS_DETAILS and not self._is_input:
            return reference(ERROR_DETAIL)
        if field.message_type is not None and field.message_type.full_name not in SCALAR_IN_JSON:
            return self.message(field.message_type)
        return textual_schema(field, constraints, empty, is_text=False)

    def _list(self, field: FieldDescriptor, constraints: FieldConstraints | None) -> JsonSchema:
        schema: JsonSchema = {"type": "array", "items": self._one(field, constraints, Empty.CHECKED)}
        return schema | list_keywords(field, constraints)

    def _map(self, field: FieldDescriptor, constraints: FieldConstraints | None) -> JsonSchema:
        schema: JsonSchema = {"type": "object"}
        if names := key_keywords(field, constraints):
            schema["propertyNames"] = names
        schema["additionalProperties"] = self._one(value_field(field), constraints, Empty.CHECKED)
        return schema | size_keywords(field, constraints, "minProperties", "maxProperties")

    def _with_oneof(self, schema: JsonSchema, oneof: OneofDescriptor) -> JsonSchema:
        names = [field.json_name for field in oneof.fields]
        if self._is_input and requires_one(oneof):
            return _and(schema, exactly_one(names))
        return _and(schema, at_most_one(names)) if len(names) > 1 else schema

    def described(self, schema: JsonSchema, name: str, sentences: Iterable[str] = ()) -> JsonSchema:
        """Return a schema with a description. The schema is not changed if the description is empty.

        Args:
            schema: the schema without the description.
            name: the full name of a definition. The description starts with the comment of the definition.
            sentences: the sentences that follow the comment in the description.
        """
        text = "\n".join(filter(None, [self._comments.get(name, ""), *sentences]))
        return {**schema, "description": text} if text else schema


def reference(name: str) -> JsonSchema:
    """Return a reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def enum_lines(field: FieldDescriptor, comments: Mapping[str, str]) -> Iterable[str]:
    """Yield the comment of each enum value as an item of a Markdown list.

    Yield nothing if the field is not an enum field. Enum values without a comment are left out.

    Args:
        field: the field.
        comments: a mapping from the full name of a definition to the text of the definition's comment.
    """
    for one in field.enum_type.values if field.enum_type is not None else ():
        if text := comments.get(f"{one.type.full_name}.{one.name}"):
            yield f"- `{one.name}`: {text}"


def emptiness(field: FieldDescriptor, constraints: FieldConstraints | None) -> Empty:
    """Return how a schema treats an empty value of a field."""
    if field.has_presence:
        return Empty.CHECKED
    return Empty.REFUSED if constraints and constraints.required else Empty.ALLOWED


def list_keywords(field: FieldDescriptor, constraints: FieldConstraints | None) -> JsonSchema:
    """Return the JSON Schema keywords for the constraints of a list."""
    keywords = size_keywords(field, constraints, "minItems", "maxItems")
    if constraints and constraints.unique:
        keywords["uniqueItems"] = True
    return keywords


def size_keywords(
    field: FieldDescriptor, constraints: FieldConstraints | None, low: str, high: str
) -> JsonSchema:
    """Return the JSON Schema keywords for the number of elements of a list or a map.

    Args:
        field: the field of the list or map.
        constraints: the constraints of the field; None if the field has no constraints.
        low: the name of the keyword for the minimum, such as `minItems`.
        high: the name of the keyword for the maximum, such as `maxItems`.
    """
    return length_keywords(
        constraints.size if constraints else None, low, high, emptiness(field, constraints)
    )


def key_keywords(field: FieldDescriptor, constraints: FieldConstraints | None) -> JsonSchema:
    """Return the JSON Schema keywords for the keys of a map."""
    key_field = entry_of(field)[0]
    if key_field.type == key_field.TYPE_BOOL:
        return {"enum": ["true", "false"]}
    if key_field.type != key_field.TYPE_STRING:
        return {"pattern": integer_pattern(key_field)}
    key = constraints.key if constraints else None
    if key is None:
        return {}
    keywords = text_keywords(key.pattern, key.length, Empty.CHECKED)
    if key.pattern and not is_portable(key.pattern):
        keywords["description"] = f"Matches the RE2 pattern {key.pattern}"
    return keywords


def _other_members(descriptor: Descriptor, omitted: Iterable[FieldNames]) -> Iterable[str]:
    """Yield the names of the fields that are in the same oneof as an omitted field.

    Args:
        descriptor: the message type.
        omitted: the field paths of the omitted fields.
    """
    for path in omitted:
        yield from (one.name for one in other_members(descriptor.fields_by_name[path[0]]))


def _and(schema: JsonSchema, condition: JsonSchema) -> JsonSchema:
    if schema.keys().isdisjoint(condition):
        return {**schema, **condition}
    return {**schema, "allOf": [*schema.get("allOf", []), condition]}
