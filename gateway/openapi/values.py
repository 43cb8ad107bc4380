"""Conversion of single values to JSON Schema: scalars, enums, and messages with a special JSON form.

The JSON form of each value is defined in https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from gateway.openapi.keywords import Empty, JsonSchema, is_portable, join, number_keywords, text_keywords
from gateway.schema import INTEGER_RANGES, is_64_bit, leaf_field
from gateway.schema.well_known import (
    ANY,
    DURATION,
    FIELD_MASK,
    LIST_VALUE,
    NULL_VALUE,
    STRUCT,
    TIMESTAMP,
    VALUE,
    WRAPPERS,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

    from gateway.schema import FieldConstraints, Range

ANY_SCHEMA: JsonSchema = {
    "type": "object",
    "description": "A message of the type that its @type names, a URL that ends in /package.Message.",
    "properties": {"@type": {"type": "string"}},
    "anyOf": [{"required": ["@type"]}, {"maxProperties": 0}],
    "additionalProperties": True,
}
_FORMS: dict[str, JsonSchema] = {
    TIMESTAMP: {"type": "string", "format": "date-time"},
    DURATION: {
        "type": "string",
        "pattern": r"^-?[0-9]{1,12}(?:\.[0-9]{1,9})?s$",
    },
    FIELD_MASK: {
        "type": "string",
        "pattern": r"^(?:[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*(?:,[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)*)?$",
    },
    ANY: ANY_SCHEMA,
    STRUCT: {"type": "object", "additionalProperties": True},
    LIST_VALUE: {"type": "array", "items": {}},
    VALUE: {},
}
_TEXT, _BYTES, _BOOL = FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_BOOL
_INTEGER_FORMATS = {
    FieldDescriptor.CPPTYPE_INT32: "int32",
    FieldDescriptor.CPPTYPE_UINT32: "uint32",
    FieldDescriptor.CPPTYPE_INT64: "int64",
    FieldDescriptor.CPPTYPE_UINT64: "uint64",
}
_MAX_FLOAT = 3.4028235e38  # the usual decimal form of the largest float; the exact number is a little smaller
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


_PLAIN: dict[int, JsonSchema] = {
    _TEXT: {"type": "string"},
    _BYTES: {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
    _BOOL: {"type": "boolean"},
}


def special_form(name: str) -> JsonSchema | None:
    """Return the schema of a message type with a special JSON form, or None for any other message type.

    Args:
        name: the full name of the message type.
    """
    return dict(_FORMS[name]) if name in _FORMS else None


def textual_schema(
    field: FieldDescriptor, constraints: FieldConstraints | None, empty: Empty, *, is_text: bool
) -> JsonSchema:
    """Return the schema of a value whose JSON form is a scalar.

    Such a value is a scalar, an enum value, a wrapper, or a message such as a Timestamp.

    Args:
        field: the field of the value. If the field is a list, the schema is for one element.
        constraints: the constraints of the field; None if the field has no constraints.
        empty: the treatment of an empty value.
        is_text: whether the schema is for a path or query parameter. If false, the schema is for JSON, where
            64-bit integers are strings.
    """
    kind = field.message_type
    if kind is not None and kind.full_name not in WRAPPERS:
        return special_form(kind.full_name) or {}
    leaf = leaf_field(field)
    base = _base(leaf, constraints, empty, is_text=is_text)
    schema = join(base, _limits(leaf, constraints, empty, is_text=is_text))
    is_nullable = leaf is not field and not is_text and not _is_element(field)
    return {"anyOf": [schema, {"type": "null"}]} if is_nullable else schema


def _is_element(field: FieldDescriptor) -> bool:
    """Return whether the values of a field are elements of a list or a map."""
    owner = field.containing_type
    return field.is_repeated or (owner is not None and owner.GetOptions().map_entry)


def _base(
    field: FieldDescriptor, constraints: FieldConstraints | None, empty: Empty, *, is_text: bool
) -> JsonSchema:
    if field.enum_type is not None:
        return _enum(field.enum_type, constraints.value if constraints else None, empty, is_text=is_text)
    if field.cpp_type in INTEGER_RANGES:
        return _integer(field, is_text=is_text)
    if field.type in _PLAIN:
        return dict(_PLAIN[field.type])
    is_double = field.type == FieldDescriptor.TYPE_DOUBLE
    number: JsonSchema = {"type": "number", "format": "double"}
    if not is_double:
        number = {"type": "number", "format": "float", "minimum": -_MAX_FLOAT, "maximum": _MAX_FLOAT}
    if constraints and constraints.value:
        return number
    return {"anyOf": [number, {"enum": ["NaN", "Infinity", "-Infinity"]}]}


def _enum(enum: EnumDescriptor, allowed: Range | None, empty: Empty, *, is_text: bool) -> JsonSchema:
    if enum.full_name == NULL_VALUE and not is_text:
        return {"type": "null"}

    def is_allowed(number: int) -> bool:
        if number == 0 and empty is not Empty.CHECKED:
            return empty is Empty.ALLOWED
        return allowed is None or number in allowed

    return {"type": "string", "enum": [one.name for one in enum.values if is_allowed(one.number)]}


def _integer(field: FieldDescriptor, *, is_text: bool) -> JsonSchema:
    name, (low, high) = _INTEGER_FORMATS[field.cpp_type], INTEGER_RANGES[field.cpp_type]
    if is_64_bit(field) and not is_text:
        return {"type": "string", "format": name, "pattern": integer_pattern(field)}
    return {"type": "integer", "format": name, "minimum": low, "maximum": high}


def integer_pattern(field: FieldDescriptor) -> str:
    """Return the pattern for the text of an integer field. The pattern limits the number of digits."""
    low, high = INTEGER_RANGES[field.cpp_type]
    sign = "-?" if low else ""
    return f"^{sign}(?:0|[1-9][0-9]{{0,{len(str(high)) - 1}}})$"


def _limits(
    field: FieldDescriptor, constraints: FieldConstraints | None, empty: Empty, *, is_text: bool
) -> JsonSchema:
    pattern, length = (constraints.pattern, constraints.length) if constraints else (None, None)
    if field.type == _TEXT:
        return text_keywords(pattern, length, empty)
    if field.enum_type is not None:
        return {}
    is_refused = empty is Empty.REFUSED
    if field.type == _BYTES:
        return {"minLength": 1} if is_refused else {}
    if field.type == _BOOL:
        return {"const": True} if is_refused else {}
    if is_64_bit(field) and not is_text:
        return {"not": {"const": "0"}} if is_refused else {}
    return number_keywords(constraints.value if constraints else None, empty)


def remarks(field: FieldDescriptor, constraints: FieldConstraints | None, *, is_text: bool) -> list[str]:
    """Return sentences that describe the constraints for which JSON Schema has no keyword.

    Args:
        field: the field of the value.
        constraints: the constraints of the field; None if the field has no constraints.
        is_text: whether the sentences are for a path or query parameter. If false, they are for JSON.
    """
    if constraints is None:
        return []
    leaf, texts = leaf_field(field), []
    if constraints.pattern and (leaf.type != _TEXT or not is_portable(constraints.pattern)):
        texts.append(f"Matches the RE2 pattern {constraints.pattern}")
    if constraints.value and (leaf.message_type or (is_64_bit(leaf) and not is_text)):
        texts.append(f"Value: {constraints.value.text}")
    if constraints.length and leaf.type == _BYTES:
        texts.append(f"Length in bytes: {constraints.length.text}")
    if constraints.bytes:
        texts.append(f"Encoded size in bytes: {constraints.bytes.text}")
    return texts
