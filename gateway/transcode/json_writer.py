"""Messages → JSON as the cloud writes it.

Fields in lowerCamelCase, defaults left out, 64-bit integers as text, enums by
name, an Any expanded, with its "@type". An Any of an unknown type keeps its type
URL, and has its value as base64.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import BytesValue

from gateway.schema import descriptor_of, field_of, is_64_bit, is_map, reachable_types, value_field
from gateway.schema.well_known import ANY, LIST_VALUE, NULL_VALUE, NULL_WHEN_UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

_MAX_NESTED = 32
# Suffix for the type URL of an Any that is not expanded: no pool has such a type. Removed from the JSON.
_RAW = "\0"


class UnprintableError(ValueError):
    """A message has a value without a JSON form, such as a Timestamp out of range."""


class JsonWriter:
    """Writes messages; types in Any fields are those of one pool."""

    def __init__(self, pool: DescriptorPool, *, prints_defaults: bool = False) -> None:
        """Create a writer.

        Args:
            pool: the types that an Any can have.
            prints_defaults: write fields without presence that have their default value.
        """
        self._pool = pool
        self._prints_defaults = prints_defaults
        self._lenient = _LenientPool(pool)
        self._holds_any: dict[str, bool] = {}

    def write(self, message: Message, field_name: str = "") -> bytes:
        """Return the JSON text of a message, or of one field of it.

        Raises:
            UnprintableError: the message has no JSON form.
        """
        tree = self.to_tree(message)
        if field_name:
            field = field_of(message, field_name)
            tree = tree.get(field.json_name, _empty(field))
        return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()

    def to_tree(self, message: Message) -> Any:
        """Return the JSON value of a message, which is not modified.

        Raises:
            UnprintableError: the message has no JSON form.
        """
        holds_any = self._may_hold_any(descriptor_of(message))
        if holds_any:
            copy = type(message)()
            copy.CopyFrom(message)
            message = copy
            self._mark_raw(message, 0)
        try:
            tree = json_format.MessageToDict(
                message,
                always_print_fields_with_no_presence=self._prints_defaults,
                descriptor_pool=self._lenient,  # type: ignore[arg-type]
            )
        except (json_format.Error, ValueError, TypeError) as error:
            raise UnprintableError(f"{message.DESCRIPTOR.full_name} has no JSON form: {error}") from error
        if holds_any:
            _unmark(tree)
        return tree

    def _may_hold_any(self, descriptor: Descriptor) -> bool:
        """Return whether a message type can contain an Any; others are written without a copy."""
        known = self._holds_any.get(descriptor.full_name)
        if known is None:
            known = self._holds_any[descriptor.full_name] = ANY in reachable_types([descriptor])
        return known

    def _mark_raw(self, message: Any, depth: int) -> None:
        """Replace the value of each Any that cannot be expanded by a BytesValue, written as base64."""
        if message.DESCRIPTOR.full_name == ANY:
            self._mark_any(message, depth)
            return
        for field, value in message.ListFields():
            if field.message_type is not None and self._may_hold_any(field.message_type):
                for one in _messages_of(field, value):
                    self._mark_raw(one, depth)

    def _mark_any(self, packed: Any, depth: int) -> None:
        if not packed.type_url and not packed.value:
            return
        inner = self._unpack(packed) if depth < _MAX_NESTED else None
        if inner is None:
            packed.type_url += _RAW
            packed.value = BytesValue(value=packed.value).SerializeToString()
        elif self._may_hold_any(inner.DESCRIPTOR):
            self._mark_raw(inner, depth + 1)
            packed.value = inner.SerializeToString()

    def _unpack(self, packed: Any) -> Any:
        try:
            descriptor = self._pool.FindMessageTypeByName(packed.type_url.rpartition("/")[2])
            return message_factory.GetMessageClass(descriptor).FromString(packed.value)
        except (KeyError, DecodeError):
            return None


class _LenientPool:
    """A pool that returns BytesValue for every unknown message type."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802 - the pool's own name
        try:
            return self._pool.FindMessageTypeByName(name)
        except KeyError:
            return BytesValue.DESCRIPTOR


def _messages_of(field: FieldDescriptor, value: Any) -> Iterable[Any]:
    if is_map(field):
        return value.values() if value_field(field).message_type is not None else ()
    return value if field.is_repeated else (value,)


def _empty(field: FieldDescriptor) -> Any:
    """Return the JSON value of a field that is not set."""
    if field.is_repeated and not is_map(field):
        return []
    if field.message_type is not None:
        name = field.message_type.full_name
        return None if name in NULL_WHEN_UNSET else [] if name == LIST_VALUE else {}
    if field.enum_type is not None:
        if field.enum_type.full_name == NULL_VALUE:
            return None
        return field.enum_type.values_by_number[field.default_value].name
    if field.type == field.TYPE_BYTES:
        return b64encode(field.default_value).decode()
    return str(field.default_value) if is_64_bit(field) else field.default_value


def _unmark(tree: Any) -> None:
    if isinstance(tree, list):
        for one in tree:
            _unmark(one)
    elif isinstance(tree, dict):
        url = tree.get("@type")
        if isinstance(url, str) and url.endswith(_RAW):
            tree["@type"] = url.removesuffix(_RAW)
        for one in tree.values():
            _unmark(one)
