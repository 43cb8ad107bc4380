"""Conversion of JSON values to protobuf messages. The readers find all violations, up to a maximum number.

The json_format module of protobuf is not used, because it stops at the first error, and takes ten
times as long as the constructor of a message. The json_format module also accepts some invalid JSON:
an array in place of an object, the same field under both of its names, invalid numbers, and invalid
base64.

The readers in this module check the JSON, and build a tree of arguments for the constructor of the
message. The keys of the tree are the field names of the .proto file.

A JsonReader has a reader for each message type. Each JsonReader belongs to one schema. There is no
global cache of readers, because such a cache could keep descriptors of a schema that is no longer used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError, EncodeError, Message

from gateway.schema import is_map, value_field
from gateway.schema.well_known import ANY, NULL_VALUE, SPECIAL_IN_JSON, VALUE, WRAPPERS
from gateway.transcode.json_path import plain_name
from gateway.transcode.json_values import (
    ReadContext,
    ValueReader,
    any_json_reader,
    converting,
    list_reader,
    map_reader,
    or_null,
    text_type_reader,
    wrapper_reader,
)
from gateway.transcode.scalars import list_names, scalar_reader, show
from gateway.transcode.well_known import TEXT_TYPES

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

    from gateway.transcode.json_path import JsonPath, Step

_TYPE_URL = re.compile(r"[!-~]*/([A-Za-z0-9_.]+)", re.ASCII)


class FieldReader:
    """A field of a message type, and the reader of the field's values.

    Attributes:
        holds_any: whether the field is a google.protobuf.Any, or a list or a map of google.protobuf.Any.
        is_text: whether the field is a single text.
        oneof: the name of the oneof that contains the field; empty if the field is in no oneof.
        skips_null: whether null in JSON means that the field is not set.
        read: the function that reads the whole value of the field: a single value, a list or a map.
    """

    __slots__ = ("descriptor", "holds_any", "is_text", "json_name", "name", "oneof", "read", "skips_null")

    def __init__(self, field: FieldDescriptor, read: ValueReader) -> None:
        self.descriptor = field
        self.name = field.name
        self.json_name = field.json_name
        self.holds_any = _value_type(field) == ANY
        self.is_text = field.type == field.TYPE_STRING and not field.is_repeated
        self.oneof = field.containing_oneof.name if field.containing_oneof else ""
        self.skips_null = field.is_repeated or not _takes_null(field)
        self.read = read


class MessageReader:
    """A message type, and the reader of the JSON form of the type.

    Attributes:
        make: the Python class of the message type.
        fields: the fields of the type. Each field has two keys: its JSON name and its .proto name. If a key
            is the JSON name of one field and the .proto name of a second field, the second field is used.
        maps: the .proto names of the map fields whose values are not messages.
        read: the function that reads a JSON value of the type.
    """

    __slots__ = ("descriptor", "fields", "make", "maps", "read")

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.make: type[Message] = message_factory.GetMessageClass(descriptor)
        # The mapping `fields_by_name` of the descriptor is not used. That mapping reads a name only up to a
        # NUL, and crashes if a name has a lone surrogate.
        self.fields: dict[str, FieldReader] = {}
        self.maps = [
            one.name for one in descriptor.fields if is_map(one) and not value_field(one).message_type
        ]
        self.read: ValueReader = self._read_object

    def _read_object(self, context: ReadContext, value: Any, path: JsonPath) -> Any:
        if not isinstance(value, dict):
            return context.refuse(path, f"{show(value)} is not an object")
        return self.read_fields(context, value, path)

    def read_fields(self, context: ReadContext, value: dict[str, Any], path: JsonPath) -> dict[str, Any]:
        """Return the tree of a JSON object. A name that is not a field name of the type is a violation."""
        if type(value) is not dict:
            context.refuse_duplicates(value, path, self.step)
        tree: dict[str, Any] = {}
        seen: set[str] = set()
        oneofs: dict[str, FieldReader] = {}
        for name, one in value.items():
            field = self.fields.get(name)
            if field is None:
                own = (path, plain_name(name))
                context.refuse_unknown(own, self.descriptor.full_name, "no such field", self._names)
                continue
            if field.name in seen:  # this is a violation even if one of the two values is null
                names = f"{field.json_name} and as {field.name}"
                context.refuse((path, field), f"is given as {names}; keep one")
            elif one is None and field.skips_null:
                pass
            elif field.oneof and (other := oneofs.setdefault(field.oneof, field)) is not field:
                context.refuse((path, field), f"{other.json_name} is set as well; set one of them")
            elif field.is_text and type(one) is str and one.isascii():  # needs no further checks
                tree[field.name] = one
            else:
                tree[field.name] = field.read(context, one, (path, field))
            seen.add(field.name)
        return tree

    def to_message(self, tree: Any) -> Message:
        """Build the message from a tree. The tree must come from JSON without violations.

        Raises:
            DecodeError: the message is nested too deeply.
        """
        if isinstance(tree, Message):
            return tree
        # The constructor of a message takes three times as long to fill a map.
        maps = [(name, tree.pop(name)) for name in self.maps if name in tree]
        message = self.make(**tree)
        for name, entries in maps:
            field = getattr(message, name)
            for key, value in entries.items():
                field[key] = value
        return message

    def step(self, name: str) -> Step:
        """Convert a name in a JSON object of the type to a step of a path."""
        return self.fields.get(name) or plain_name(name)

    def _names(self) -> str:
        return f"fields here: {list_names(one.json_name for one in self.descriptor.fields)}"


class JsonReader:
    """Reads the JSON of the requests of one schema."""

    def __init__(self, max_elements: int | None = None) -> None:
        """Create a reader.

        Args:
            max_elements: the maximum total number of elements in the lists and maps of one request; None for
                no limit.
        """
        self._types: dict[str, MessageReader] = {}
        self._packed: dict[str, MessageReader] = {}
        self._max_elements = max_elements

    def start(self) -> ReadContext:
        """Return a new context for reading one request."""
        return ReadContext(self._max_elements)

    def message_reader(self, descriptor: Descriptor) -> MessageReader:
        """Return the reader of a message type. The reader is created on first use."""
        known = self._types.get(descriptor.full_name)
        if known is None:
            # The reader is stored before the fields are compiled, because a type may contain itself.
            known = self._types[descriptor.full_name] = MessageReader(descriptor)
            if descriptor.full_name in SPECIAL_IN_JSON:
                known.read = self._special(descriptor)
            else:
                fields = [FieldReader(field, self._field(field)) for field in descriptor.fields]
                by_json_name = {field.json_name: field for field in fields}
                known.fields = by_json_name | {field.name: field for field in fields}
        return known

    def find_field(self, descriptor: Descriptor, name: str) -> FieldReader | None:
        """Return the field of a message type, or None if the type has no such field.

        Args:
            descriptor: the message type.
            name: the name of the field in JSON or in the .proto file.
        """
        return self.message_reader(descriptor).fields.get(name)

    def _field(self, field: FieldDescriptor) -> ValueReader:
        if is_map(field):
            return map_reader(field, self._one(value_field(field)))
        return list_reader(field, self._one(field)) if field.is_repeated else self._one(field)

    def _one(self, field: FieldDescriptor) -> ValueReader:
        """Return the reader of a single value of a field, of a list element, or of a map value."""
        kind = field.message_type
        if kind is not None:
            return self.message_reader(kind).read
        read = converting(scalar_reader(field))
        return or_null(read) if _takes_null(field) else read

    def _special(self, descriptor: Descriptor) -> ValueReader:
        name = descriptor.full_name
        if name in TEXT_TYPES:
            return text_type_reader(descriptor)
        if name in WRAPPERS:
            return wrapper_reader(descriptor)
        return self._any(descriptor) if name == ANY else any_json_reader(descriptor)

    def _any(self, descriptor: Descriptor) -> ValueReader:
        pool = descriptor.file.pool
        new_any = message_factory.GetMessageClass(descriptor)

        def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
            if not isinstance(value, dict):
                return context.refuse(path, f"{show(value)} is not an object")
            inner = self._packed_type(pool, context, value, path)
            context.refuse_duplicates(value, path, inner.step if inner else plain_name)
            if inner is None:
                return None if value else new_any()
            tree = _read_packed(inner, context, value, path)
            if context.violations.found:
                return None
            try:
                packed = inner.to_message(tree).SerializeToString()
            except (DecodeError, EncodeError):
                return context.refuse(path, "lacks a required field, or is nested too deeply")
            return new_any(type_url=value["@type"], value=packed)

        return read

    def _packed_type(
        self, pool: DescriptorPool, context: ReadContext, value: dict[str, Any], path: JsonPath
    ) -> MessageReader | None:
        """Return the reader of the type in an Any.

        Return None for an empty Any. If the type is missing or unknown, add a violation and return None.
        """
        url = value.get("@type")
        match = _TYPE_URL.fullmatch(url) if isinstance(url, str) else None
        if match is None:
            if value:
                context.refuse(path, 'needs "@type", as type.googleapis.com/google.protobuf.Duration')
            return None
        known = self._packed.get(match[1])
        if known is None:
            try:
                known = self.message_reader(pool.FindMessageTypeByName(match[1]))
            except KeyError:
                context.refuse((path, "@type"), f"{show(url)} is not a known type")
                return None
            self._packed[match[1]] = known
        return known


def _read_packed(inner: MessageReader, context: ReadContext, value: dict[str, Any], path: JsonPath) -> Any:
    """Read the content of an Any from the JSON object of the Any.

    If the type in the Any has a special JSON form, the content is stored under the key "value". If
    the type has the usual JSON form, the content is the JSON object without the key "@type".
    """
    if inner.descriptor.full_name not in SPECIAL_IN_JSON:
        rest = {name: one for name, one in value.items() if name != "@type"}
        return inner.read_fields(context, rest, path)
    if value.keys() != {"@type", "value"}:
        return context.refuse(path, 'takes "@type" and "value", and nothing else')
    return inner.read(context, value["value"], (path, "value"))


def _value_type(field: FieldDescriptor) -> str:
    kind = value_field(field).message_type
    return kind.full_name if kind is not None else ""


def _takes_null(field: FieldDescriptor) -> bool:
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in {VALUE, NULL_VALUE}
