"""Conversion of protobuf messages to JSON. The JSON has the form that the cloud writes.

Field names are written in lowerCamelCase. Fields with default values are left out. 64-bit integers
are written as text. Enum values are written as names. An Any is written as an object with "@type" and
the content of the Any. If the type of an Any is unknown, the object has "@type", and the bytes of the
content as base64.

A JsonWriter compiles a writer for each message type once. The json_format module of protobuf
is not used, because json_format repeats the reflection for each message. Each JsonWriter belongs to one
schema. There is no global cache of writers, because such a cache could keep descriptors of a schema that is
no longer used.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.errors import FieldText, rename_fields
from gateway.schema import descriptor_of, entry_of, field_of, is_map
from gateway.schema.well_known import ANY, LIST_VALUE, NULL_WHEN_UNSET
from gateway.transcode.field_names import to_json_path
from gateway.transcode.value_writers import (
    ValueWriter,
    base64_text,
    list_writer,
    map_writer,
    scalar_writer,
    special_writer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message
    from google.rpc.status_pb2 import Status

    from gateway.schema import Schema

_MAX_NESTED = 32
_KEPT_PATHS = 256  # the maximum number of field paths whose JSON names are kept
_MAX_KEPT_PATH = 128  # the maximum number of characters of such a path
_MAX_KEPT_TEXT = 1024  # the maximum number of characters of a text whose JSON names are kept


class UnprintableError(ValueError):
    """A protobuf message contains a value that has no JSON form, such as a Timestamp out of range."""


def request_types(schema: Schema) -> Iterator[Descriptor]:
    """Yield the request types of a schema's methods."""
    for method in schema.methods.values():
        yield descriptor_of(method.request)


def reply_types(schema: Schema) -> Iterator[Descriptor]:
    """Yield the reply types of a schema's methods.

    For a long-running method, also yield the metadata type and the response type of the operation.
    """
    for method in schema.methods.values():
        yield descriptor_of(method.reply)
        if method.operation is not None:
            yield descriptor_of(schema.message(method.operation.metadata))
            yield descriptor_of(schema.message(method.operation.response))


class JsonWriter:
    """Writes protobuf messages as JSON. One descriptor pool has the types that an Any can contain."""

    def __init__(
        self,
        pool: DescriptorPool,
        types: Iterable[Descriptor] = (),
        *,
        prints_defaults: bool = False,
        refuses_unknown: bool = False,
    ) -> None:
        """Create a writer.

        Args:
            pool: the descriptor pool with the types that an Any can contain.
            types: the message types to compile now. The types of their fields are compiled too. All
                remaining types are compiled on first use.
            prints_defaults: whether to write a field without presence if it has its default value.
            refuses_unknown: whether to raise UnprintableError for an Any with an unknown type or malformed
                content. If false, the content of such an Any is written as base64.
        """
        self._pool = pool
        self._prints_defaults = prints_defaults
        self._refuses_unknown = refuses_unknown
        # The key is the descriptor and not the name of the type. A message and the content of an Any may have
        # different types with the same name, because they may come from two descriptor pools.
        self._types: dict[Descriptor, _MessageWriter] = {}
        self._incomplete: dict[Descriptor, _MessageWriter] = {}  # of the types that are being compiled
        self._compiling = threading.RLock()
        self._packed: dict[str, _MessageWriter] = {}
        self._kept_path = lru_cache(_KEPT_PATHS)(
            to_json_path
        )  # of this writer, so that it dies with the schema
        self._kept_text = lru_cache(_KEPT_PATHS)(_rename)
        for descriptor in types:
            self._writer_of(descriptor)

    def write(self, message: Message, field_name: str = "") -> bytes:
        """Return the JSON text of a protobuf message, or of one field of the message.

        Args:
            message: the protobuf message.
            field_name: the name of the field to write; empty to write the whole message.

        Raises:
            UnprintableError: the message has no JSON form.
        """
        tree = self.to_tree(message)
        if field_name:
            field = field_of(message, field_name)
            tree = tree.get(field.json_name, _empty(field))
        try:
            return orjson.dumps(tree)
        except TypeError as error:  # the tree has too many levels
            raise _unprintable(descriptor_of(message), error) from error

    def write_status(self, status: Status) -> bytes:
        """Return the JSON text of a Status.

        If a detail has no JSON form, write the type URL of the detail, and the bytes of the detail as base64.
        """
        try:
            return self.write(status)
        except UnprintableError:
            tree = {"code": status.code, "message": status.message}
            details = [self._to_printable(detail) for detail in status.details]
            return orjson.dumps(tree | {"details": details})

    def _to_printable(self, packed: Any) -> dict[str, Any]:
        try:
            tree: dict[str, Any] = self.to_tree(packed)
            orjson.dumps(tree)
        except (UnprintableError, TypeError):
            return {"@type": packed.type_url, "value": base64_text(packed.value)}
        return tree

    def to_tree(self, message: Message) -> Any:
        """Return the JSON value of a protobuf message. The caller must not modify the value.

        Raises:
            UnprintableError: the message has no JSON form.
        """
        descriptor = descriptor_of(message)
        try:
            return self._writer_of(descriptor).write(message, 0)
        except (ValueError, RecursionError) as error:
            raise _unprintable(descriptor, error) from error

    def to_json_path(self, path: str, descriptor: Descriptor) -> str:
        """Return a field path with JSON names. The results for short paths are kept.

        Args:
            path: the path with the names of the .proto file.
            descriptor: the message type where the path starts.
        """
        return (self._kept_path if len(path) <= _MAX_KEPT_PATH else to_json_path)(path, descriptor)

    def to_json_text(self, text: str, descriptor: Descriptor) -> str:
        """Return a text with JSON names in its field paths. The results for short texts are kept.

        Args:
            text: the text with the names of the .proto file.
            descriptor: the message type where the paths start.
        """
        if not isinstance(text, FieldText):
            return text
        rename = self._kept_text if len(text) <= _MAX_KEPT_TEXT else _rename
        return rename(text, text.spans, descriptor)

    def _writer_of(self, descriptor: Descriptor) -> _MessageWriter:
        return self._types.get(descriptor) or self._compile(descriptor)

    def _compile(self, descriptor: Descriptor) -> _MessageWriter:
        """Compile the writer of a type, and of the types that it contains.

        Other threads, which may write messages meanwhile, do not see a writer before it is complete.
        """
        with self._compiling:
            known = self._types.get(descriptor) or self._incomplete.get(descriptor)
            if known is not None:
                return known
            is_outermost = not self._incomplete
            try:
                # The writer is stored before the fields are compiled, because a type may contain itself.
                known = self._incomplete[descriptor] = _MessageWriter(descriptor, self._field)
                if special := self._write_any if descriptor.full_name == ANY else special_writer(descriptor):
                    known.write, known.is_special = special, True
                else:
                    known.compile(descriptor.fields, prints_defaults=self._prints_defaults)
                if is_outermost:
                    self._types |= self._incomplete
            finally:
                if is_outermost:
                    self._incomplete.clear()
            return known

    def _field(self, field: FieldDescriptor) -> ValueWriter | None:
        """Return the writer of a field, or None if the field's value needs no conversion to JSON."""
        if is_map(field):
            key, value = entry_of(field)
            return map_writer(key, self._one(value))
        return list_writer(self._one(field)) if field.is_repeated else self._one(field)

    def _one(self, field: FieldDescriptor) -> ValueWriter | None:
        """Return the writer of a single value of a field, of a list element, or of a map value."""
        return self._writer_of(field.message_type).write if field.message_type else scalar_writer(field)

    def _write_any(self, packed: Any, depth: int) -> dict[str, Any]:
        url, value = packed.type_url, packed.value
        if not url and not value:
            return {}
        inner = self._packed_type(url.rpartition("/")[2]) if depth < _MAX_NESTED else None
        message = inner.parse(value) if inner is not None else None
        if inner is None or message is None:
            if self._refuses_unknown:
                raise UnprintableError(f"the content of an Any of the type {url} cannot be read")
            return {"@type": url, "value": base64_text(value)}
        if inner.is_special:
            return {"@type": url, "value": inner.write(message, depth + 1)}
        return {"@type": url, **inner.write(message, depth + 1)}

    def _packed_type(self, name: str) -> _MessageWriter | None:
        known = self._packed.get(name)
        if known is None:
            try:
                known = self._writer_of(self._pool.FindMessageTypeByName(name))
            except KeyError:
                return None
            self._packed[name] = known
        return known


class _MessageWriter:
    """The writer of one message type.

    Attributes:
        is_special: whether the type has a special JSON form. The usual form is an object with the fields.
        write: the function that converts a message of the type to a JSON value.
    """

    __slots__ = ("_defaults", "_fields", "_make", "is_special", "write")

    def __init__(self, descriptor: Descriptor, compile_field: _FieldCompiler) -> None:
        self._make: Any = message_factory.GetMessageClass(descriptor)
        self._fields = _FieldWriters(compile_field)
        self._defaults: tuple[tuple[str, Any], ...] = ()
        self.is_special = False
        self.write: ValueWriter = self._write_fields

    def compile(self, fields: Iterable[FieldDescriptor], *, prints_defaults: bool) -> None:
        """Compile the writers of the type's fields.

        Args:
            fields: the fields of the type.
            prints_defaults: whether to write a field without presence if it has its default value.
        """
        for field in fields:
            self._fields.add(field)
        if prints_defaults:
            self._defaults = tuple(
                (field.json_name, _empty(field)) for field in fields if not field.has_presence
            )

    def parse(self, data: bytes) -> Message | None:
        """Parse the content of an Any. Return the message, or None if the bytes are malformed."""
        try:
            return self._make.FromString(data)  # type: ignore[no-any-return]
        except DecodeError:
            return None

    def _write_fields(self, message: Any, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        writers, name = self._fields, ""
        try:
            for field, value in message.ListFields():
                name, write = writers[field]
                tree[name] = value if write is None else write(value, depth)
        except ValueError as error:
            raise UnprintableError(f"{name}: {error}") from error
        for name, default in self._defaults:
            tree.setdefault(name, default)
        return tree


_FieldCompiler: TypeAlias = "Callable[[FieldDescriptor], ValueWriter | None]"


class _FieldWriters(dict[Any, tuple[str, "ValueWriter | None"]]):
    """The JSON names and writers of fields, keyed by the descriptor of the field.

    The writer of an extension field is compiled on first use.
    """

    def __init__(self, compile_field: _FieldCompiler) -> None:
        super().__init__()
        self._compile = compile_field

    def add(self, field: FieldDescriptor) -> tuple[str, ValueWriter | None]:
        """Compile the writer of a field, and add the field to the mapping."""
        name = f"[{field.full_name}]" if field.is_extension else field.json_name
        self[field] = found = name, self._compile(field)
        return found

    __missing__ = add


def _empty(field: FieldDescriptor) -> Any:
    """Return the JSON value of a field that is not set."""
    if field.is_repeated:
        return {} if is_map(field) else []
    if field.message_type is not None:
        name = field.message_type.full_name
        return None if name in NULL_WHEN_UNSET else [] if name == LIST_VALUE else {}
    write = scalar_writer(field)
    return field.default_value if write is None else write(field.default_value, 0)


def _unprintable(descriptor: Descriptor, error: Exception) -> UnprintableError:
    return UnprintableError(f"{descriptor.full_name} has no JSON form: {error}")


def _rename(text: FieldText, _: tuple[tuple[int, int], ...], descriptor: Descriptor) -> str:
    """Return a text with JSON names.

    The positions of its paths are an argument because equal texts can have other positions, and the results
    are kept.
    """
    return rename_fields(text, lambda path: to_json_path(path, descriptor))
