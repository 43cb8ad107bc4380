"""JSON values → the tree that a message is made of, with every violation found.

json_format stops at the first fault and lets some through: an array where a
message is due, a field under both of its names, lax numbers, bad base64. So the
tree is checked here first. What comes out is keyed by field names as the
.proto file has them, and json_format takes it as it is.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format, message_factory

from gateway.errors import FieldViolation
from gateway.masking import quote
from gateway.schema import entry_of, is_map
from gateway.transcode.scalars import (
    SCALAR_READERS,
    UnfitError,
    parse_text,
    read_bool,
    read_double,
    read_scalar,
    read_string,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

# The message's own parser takes more than the mapping allows: "1_0s", "+1s", full-width digits.
_TEXT_TYPES = {
    "google.protobuf.Timestamp": (
        re.compile(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
            r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])"
        ),
        "a time as 2026-01-31T12:00:00Z",
    ),
    "google.protobuf.Duration": (re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s"), "a duration as 3.5s"),
    "google.protobuf.FieldMask": (
        re.compile(r"([A-Za-z0-9]+(\.[A-Za-z0-9]+)*(,[A-Za-z0-9]+(\.[A-Za-z0-9]+)*)*)?"),
        "a field mask as name,description",
    ),
}
WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
}
SPECIAL = {
    *_TEXT_TYPES,
    *WRAPPERS,
    *(f"google.protobuf.{kind}" for kind in ("Any", "Struct", "ListValue", "Value")),
}
"""Message types whose JSON is not an object of their fields."""

_TYPE_URL = re.compile(r"[!-~]*/([A-Za-z0-9_.]+)", re.ASCII)
_MAX_NAME = 64
_ANY = "google.protobuf.Any"
_STRUCT = "google.protobuf.Struct"
_LIST = "google.protobuf.ListValue"
_VALUE = "google.protobuf.Value"


class JsonReader:
    """Reads one request. Violations gather in `violations` while the reading goes on."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def read_message(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        """Return the tree of a message.

        Args:
            descriptor: its type.
            value: as parse_json gives it.
            path: of the message within the request; empty for the request.
        """
        special = self._special(descriptor)
        if special is not None:
            return special(descriptor, value, path)
        if not isinstance(value, dict):
            return self._refuse(path, f"{show(value)} is not an object")
        return self._read_fields(descriptor, value, path)

    def read_field(self, field: FieldDescriptor, value: Any, path: str) -> Any:
        """Return the tree of a field's value.

        Args:
            field: its descriptor.
            value: as parse_json gives it.
            path: of the field, with its own name.
        """
        if is_map(field):
            return self._read_map(field, value, path)
        if field.is_repeated:
            if not isinstance(value, list):
                return self._refuse(path, f"{show(value)} is not an array")
            return [self._read_one(field, one, f"{path}[{index}]") for index, one in enumerate(value)]
        return self._read_one(field, value, path)

    def _special(self, descriptor: Descriptor) -> Callable[[Descriptor, Any, str], Any] | None:
        name = descriptor.full_name
        if name in _TEXT_TYPES:
            return self._read_text_type
        if name in WRAPPERS:
            return self._read_wrapper
        return {
            _ANY: self._read_any,
            _STRUCT: self._read_struct,
            _LIST: self._read_list,
            _VALUE: self._read_value,
        }.get(name)

    def _read_fields(self, descriptor: Descriptor, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        self._check_duplicates(value, path)
        tree: dict[str, Any] = {}
        seen: set[str] = set()
        oneofs: dict[str, str] = {}
        for name, one in value.items():
            field = find_field(descriptor, name)
            if field is None:
                self._refuse(_join(path, name), _unknown(descriptor))
                continue
            own = _join(path, field.name)
            if field.name in seen:  # also when one of the two is null
                self._refuse(own, f"stands here as {field.json_name} and as {field.name}; keep one")
            elif one is None and (field.is_repeated or not _takes_null(field)):
                pass  # null is the same as not set
            elif other := _other_of_oneof(field, oneofs):
                self._refuse(own, f"{other} is set as well; set one of them")
            else:
                tree[field.name] = self.read_field(field, one, own)
            seen.add(field.name)
        return tree

    def _read_map(self, field: FieldDescriptor, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(path, f"{show(value)} is not an object")
        self._check_duplicates(value, path)
        key_field, value_field = entry_of(field)
        tree: dict[str, Any] = {}
        for name, one in value.items():
            own = f"{path}[{quote(name)}]"
            key = self._read_key(key_field, name, own)
            if key in tree:
                self._refuse(own, "the same key stands here a second time; keep one")
            tree[key] = self._read_one(value_field, one, own)
        return tree

    def _read_key(self, field: FieldDescriptor, name: str, path: str) -> str:
        """Return a map's key in the one form that json_format reads back the same."""
        try:
            if field.type == field.TYPE_BOOL:
                return "true" if read_bool(parse_text(field, name)) else "false"
            return str(SCALAR_READERS[field.type](name))
        except UnfitError as error:
            self._refuse(path, f"as a key, {error}")
            return name

    def _read_one(self, field: FieldDescriptor, value: Any, path: str) -> Any:
        if field.message_type is not None:
            return self.read_message(field.message_type, value, path)
        if value is None and _takes_null(field):
            return 0
        return self._fit(path, lambda: read_scalar(field, value))

    def _read_text_type(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        pattern, form = _TEXT_TYPES[descriptor.full_name]
        text = self._fit(path, lambda: read_string(value))
        if text is None:
            return None
        if not pattern.fullmatch(text) or not _parses(descriptor, text):
            return self._refuse(path, f"{show(text)} is not {form}")
        return text

    def _read_wrapper(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        return self._fit(path, lambda: read_scalar(descriptor.fields_by_name["value"], value))

    def _read_any(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(path, f"{show(value)} is not an object")
        self._check_duplicates(value, path)
        if not value:
            return {}
        url = value.get("@type")
        if not isinstance(url, str) or not (match := _TYPE_URL.fullmatch(url)):
            return self._refuse(path, 'needs "@type", as type.googleapis.com/google.protobuf.Duration')
        try:
            inner = descriptor.file.pool.FindMessageTypeByName(match[1])
        except KeyError:
            return self._refuse(_join(path, "@type"), f"{show(url)} is no known type")
        rest = {name: one for name, one in value.items() if name != "@type"}
        return {"@type": url, **self._read_packed(inner, rest, path)}

    def _read_packed(self, inner: Descriptor, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Read what stands in an Any beside "@type": a type with a form of its own stands in "value"."""
        if self._special(inner) is None:
            return self._read_fields(inner, value, path)
        if value.keys() != {"value"}:
            self._refuse(path, 'needs "value" and nothing else beside "@type"')
            return {}
        return {"value": self.read_message(inner, value["value"], _join(path, "value"))}

    def _read_struct(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(path, f"{show(value)} is not an object")
        return self._read_value(descriptor, value, path)

    def _read_list(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return self._refuse(path, f"{show(value)} is not an array")
        return self._read_value(descriptor, value, path)

    def _read_value(self, descriptor: Descriptor, value: Any, path: str) -> Any:
        """Read JSON of any form, down to its leaves."""
        if isinstance(value, dict):
            self._check_duplicates(value, path)
            tree = {}
            for name, one in value.items():
                own = f"{path}[{quote(name)}]"
                self._fit(own, partial(read_string, name))
                tree[name] = self._read_value(descriptor, one, own)
            return tree
        if isinstance(value, list):
            return [self._read_value(descriptor, one, f"{path}[{index}]") for index, one in enumerate(value)]
        if isinstance(value, str):
            return self._fit(path, lambda: read_string(value))
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return self._fit(path, lambda: read_double(value))
        return value

    def _fit(self, path: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except UnfitError as error:
            return self._refuse(path, str(error))

    def _check_duplicates(self, value: Mapping[str, Any], path: str) -> None:
        for name in getattr(value, "duplicates", ()):
            self._refuse(_join(path, name), "stands here more than once; keep one")

    def _refuse(self, path: str, description: str) -> None:
        self.violations.append(FieldViolation(field=path, description=description, reason="MALFORMED"))


def find_field(descriptor: Descriptor, name: str) -> FieldDescriptor | None:
    """Return the field of a JSON name or of a name as the .proto file has it."""
    return _fields_of(descriptor).get(name)


@cache
def _fields_of(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    # A dict of our own: the descriptor's reads a name only up to a NUL, and crashes on a lone surrogate.
    by_json_name = {field.json_name: field for field in descriptor.fields}
    return by_json_name | {field.name: field for field in descriptor.fields}


def to_message(tree: Any, message: Any, pool: Any) -> Any:
    """Fill a message from a tree that was read without a violation."""
    return json_format.ParseDict(tree, message, descriptor_pool=pool)


def _parses(descriptor: Descriptor, text: str) -> bool:
    message: Any = message_factory.GetMessageClass(descriptor)()
    try:
        message.FromJsonString(text)
    except ValueError:
        return False
    return True


def _takes_null(field: FieldDescriptor) -> bool:
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in {_VALUE, "google.protobuf.NullValue"}


def _other_of_oneof(field: FieldDescriptor, seen: dict[str, str]) -> str | None:
    """Return the member of the field's oneof that is set already, and note this one."""
    oneof = field.containing_oneof
    if oneof is None:
        return None
    other = seen.setdefault(oneof.name, field.name)
    return other if other != field.name else None


def _unknown(descriptor: Descriptor) -> str:
    return f"no such field; fields here: {', '.join(field.json_name for field in descriptor.fields)}"


def _join(path: str, name: str) -> str:
    is_plain = len(name) <= _MAX_NAME and name.isascii() and name.replace("_", "").isalnum()
    shown = name if is_plain or name == "@type" else quote(name)
    return f"{path}.{shown}" if path else shown
