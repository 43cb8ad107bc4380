"""Messages → JSON as the cloud writes it.

Fields in lowerCamelCase, defaults left out, 64-bit integers as text, enums by
name, an Any expanded, with its "@type". An Any of an unknown type keeps its type
URL, and has its value as base64.

A JsonWriter has a writer for each message type, as json_format does all of its work
by reflection, for each message again. It belongs to one schema: nothing here keeps the
descriptors of a schema that is no longer used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.schema import descriptor_of, entry_of, field_of, is_map
from gateway.schema.well_known import ANY, LIST_VALUE, NULL_WHEN_UNSET
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


class UnprintableError(ValueError):
    """A message has a value without a JSON form, such as a Timestamp out of range."""


def request_types(schema: Schema) -> Iterator[Descriptor]:
    """Yield the types of the requests of a schema's methods."""
    for method in schema.methods.values():
        yield descriptor_of(method.request)


def reply_types(schema: Schema) -> Iterator[Descriptor]:
    """Yield the types of the replies of a schema's methods, and of what their operations carry."""
    for method in schema.methods.values():
        yield descriptor_of(method.reply)
        if method.operation is not None:
            yield descriptor_of(schema.message(method.operation.metadata))
            yield descriptor_of(schema.message(method.operation.response))


class JsonWriter:
    """Writes messages; types in Any fields are those of one pool."""

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
            pool: the types that an Any can have.
            types: message types to compile now, with the types of their fields; other types are compiled on
                first use.
            prints_defaults: write fields without presence that have their default value.
            refuses_unknown: an Any of an unknown type, or with malformed content, has no JSON form. Otherwise
                its content is written as base64.
        """
        self._pool = pool
        self._prints_defaults = prints_defaults
        self._refuses_unknown = refuses_unknown
        # By descriptor, not by name: a message may be of another pool than the types in Any fields.
        self._types: dict[Descriptor, _MessageWriter] = {}
        self._packed: dict[str, _MessageWriter] = {}
        for descriptor in types:
            self._writer_of(descriptor)

    def write(self, message: Message, field_name: str = "") -> bytes:
        """Return the JSON text of a message, or of one field of it.

        Raises:
            UnprintableError: the message has no JSON form.
        """
        tree = self.to_tree(message)
        if field_name:
            field = field_of(message, field_name)
            tree = tree.get(field.json_name, _empty(field))
        try:
            return orjson.dumps(tree)
        except TypeError as error:  # too many levels
            raise _unprintable(descriptor_of(message), error) from error

    def write_status(self, status: Status) -> bytes:
        """Return a Status as JSON; a detail without a JSON form becomes its type URL and bytes in base64."""
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
        """Return the JSON value of a message, not to be modified.

        Raises:
            UnprintableError: the message has no JSON form.
        """
        descriptor = descriptor_of(message)
        try:
            return self._writer_of(descriptor).write(message, 0)
        except (ValueError, RecursionError) as error:
            raise _unprintable(descriptor, error) from error

    def _writer_of(self, descriptor: Descriptor) -> _MessageWriter:
        known = self._types.get(descriptor)
        if known is None:
            # Stored before its fields are compiled: a type may contain itself.
            known = self._types[descriptor] = _MessageWriter(descriptor, self._field)
            if special := self._write_any if descriptor.full_name == ANY else special_writer(descriptor):
                known.write, known.is_special = special, True
            else:
                known.compile(descriptor.fields, prints_defaults=self._prints_defaults)
        return known

    def _field(self, field: FieldDescriptor) -> ValueWriter | None:
        """Return the writer of a field; None if JSON has its value as it is."""
        if is_map(field):
            key, value = entry_of(field)
            return map_writer(key, self._one(value))
        return list_writer(self._one(field)) if field.is_repeated else self._one(field)

    def _one(self, field: FieldDescriptor) -> ValueWriter | None:
        """Return the writer of one value of a field: itself, an element, or a value of a map."""
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
    """A message type, and the writer of its messages.

    Attributes:
        is_special: the JSON of the type is not an object of its fields.
        write: writes a message.
    """

    __slots__ = ("_defaults", "_fields", "_make", "is_special", "write")

    def __init__(self, descriptor: Descriptor, compile_field: _FieldCompiler) -> None:
        self._make: Any = message_factory.GetMessageClass(descriptor)
        self._fields = _FieldWriters(compile_field)
        self._defaults: tuple[tuple[str, Any], ...] = ()
        self.is_special = False
        self.write: ValueWriter = self._write_fields

    def compile(self, fields: Iterable[FieldDescriptor], *, prints_defaults: bool) -> None:
        """Compile the writers of the fields."""
        for field in fields:
            self._fields.add(field)
        if prints_defaults:
            self._defaults = tuple(
                (field.json_name, _empty(field)) for field in fields if not field.has_presence
            )

    def parse(self, data: bytes) -> Message | None:
        """Return the message of the bytes in an Any, or None if they are malformed."""
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
    """Field → its name in JSON, and its writer; a field that is an extension is compiled on first use."""

    def __init__(self, compile_field: _FieldCompiler) -> None:
        super().__init__()
        self._compile = compile_field

    def add(self, field: FieldDescriptor) -> tuple[str, ValueWriter | None]:
        """Compile a field."""
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
