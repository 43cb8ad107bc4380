"""Conversion of the path variables and query parameters of a request to values in the tree of the request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gateway.quoting import quote
from gateway.schema import (
    find_fields,
    fits_parameter,
    is_map,
    leaf_field,
    nested_message,
    other_members,
    value_field,
)
from gateway.transcode.scalars import list_names, parse_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.transcode.json_path import JsonPath
    from gateway.transcode.json_reader import FieldReader, JsonReader, MessageReader
    from gateway.transcode.json_values import ReadContext

_MAP_KEY = re.compile(r"([^\[]*)\[(.*)\]", re.DOTALL)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.]{1,120}")


class Parameters:
    """Sets fields in the tree of one request from the path variables and query parameters.

    The tree has the arguments for the constructor of the request message.
    """

    def __init__(
        self,
        context: ReadContext,
        reader: JsonReader,
        message: MessageReader,
        tree: dict[str, Any],
        body: str,
    ) -> None:
        """Create an object that has set no parameters yet.

        Args:
            context: the context that collects the violations.
            reader: the JSON reader of the schema.
            message: the reader of the request type.
            tree: the tree of the request. It already has the values that the body sets.
            body: the `body` of the HTTP rule: `*`, the name of the field that the body sets, or empty.
        """
        self._context = context
        self._reader = reader
        self._message = message
        self._tree = tree
        self._body = body
        self._bound: set[tuple[FieldReader, ...]] = set()
        # The nodes of the tree that contain the parameters. The key is the field path of the parameter.
        self._nodes: dict[tuple[FieldReader, ...], dict[str, Any]] = {}

    def set_from_path(self, fields: tuple[FieldReader, ...], text: str) -> None:
        """Set a field to the text of a path variable."""
        self._bound.add(fields)
        node, name = self._descend(fields), fields[-1].name
        if node is None:
            return
        if name in node:
            self._refuse(fields, "is set by the path already; leave it out of the body")
            return
        node[name] = parse_text(leaf_field(fields[-1].descriptor), text)
        self._nodes[fields] = node

    def set_from_query(self, name: str, text: str) -> None:
        """Set a field to the text of a query parameter."""
        match = _MAP_KEY.fullmatch(name)
        plain, key = (match[1], match[2]) if match else (name, None)
        fields, rest = self._resolve(plain)
        if self._body == "*":
            path = _path_to(fields, rest, key)
            self._context.refuse(path, "is not a query parameter: all fields are in the body")
        elif rest is not None or is_map(fields[-1].descriptor) != (key is not None):
            path, message = _path_to(fields, rest, key), self._message.descriptor.full_name
            self._context.refuse_unknown(path, message, "no such parameter", self._parameters)
        elif any(fields[: len(bound)] == bound for bound in self._bound):
            self._refuse(fields, "is set by the path; leave it out of the query")
        elif fields[0].name == self._body:
            self._refuse(fields, "is set by the body; leave it out of the query")
        elif not fits_parameter(fields[-1].descriptor):
            self._refuse(fields, "is a message; set its fields one by one")
        else:
            self._put(fields, text, key)

    def convert(self) -> None:
        """Convert the text of each parameter with the reader of the field.

        A violation is added for each text that does not fit the field.
        """
        for fields, node in self._nodes.items():
            field = fields[-1]
            node[field.name] = field.read(self._context, node[field.name], _path_to(fields))

    def _refuse(self, fields: Sequence[FieldReader], description: str) -> None:
        self._context.refuse(_path_to(fields), description)

    def _put(self, fields: tuple[FieldReader, ...], text: str, key: str | None) -> None:
        node, name, descriptor = self._descend(fields), fields[-1].name, fields[-1].descriptor
        if node is None:
            return
        if key is not None:
            entries = node.setdefault(name, {})
            if key in entries:
                self._context.refuse(_path_to(fields, None, key), "is set more than once; keep one")
            entries[key] = parse_text(leaf_field(value_field(descriptor)), text)
        elif descriptor.is_repeated:
            node.setdefault(name, []).append(parse_text(leaf_field(descriptor), text))
        elif name in node:
            self._refuse(fields, "is set more than once; keep one")
        else:
            node[name] = parse_text(leaf_field(descriptor), text)
        self._nodes[fields] = node

    def _descend(self, fields: tuple[FieldReader, ...]) -> dict[str, Any] | None:
        """Return the node of the tree that contains the last field of a field path.

        If the last field cannot be set, return None. In this case, the request has a violation.
        """
        node: Any = self._tree
        for depth, field in enumerate(fields):
            if other := _other_member(field, node):
                self._refuse(fields, f"{other} is set as well; set one of them")
                return None
            if depth == len(fields) - 1:
                break
            node = node.setdefault(field.name, {})
            if not isinstance(node, dict):  # the body has an invalid value here, and a violation was added
                return None
        return node  # type: ignore[no-any-return]

    def _resolve(self, name: str) -> tuple[tuple[FieldReader, ...], str | None]:
        """Return the fields that a dotted name consists of, and the unknown rest of the name.

        The rest starts at the first part that is not a field. The rest is None if every part is a field.
        """
        fields: list[FieldReader] = []
        message: MessageReader | None = self._message
        parts = name.split(".")
        for index, part in enumerate(parts):
            field = message.fields.get(part) if message else None
            if field is None:
                return tuple(fields), ".".join(parts[index:])
            fields.append(field)
            nested = nested_message(field.descriptor)
            message = self._reader.message_reader(nested) if nested is not None else None
        return tuple(fields), None

    def _parameters(self) -> str:
        bound = {fields[0].name for fields in self._bound} | {self._body}
        fields = self._message.descriptor.fields
        names = list_names(field.json_name for field in fields if field.name not in bound)
        return f"parameters: {names or 'none'}"


def find_readers(
    reader: JsonReader, message: MessageReader, names: Sequence[str]
) -> tuple[FieldReader, ...] | None:
    """Return the readers of the fields on a field path, or None if there is no such field.

    Args:
        reader: the JSON reader of the schema.
        message: the reader of the message type where the field path starts.
        names: the field names of the path, as in the .proto file.
    """
    readers: list[FieldReader] = []
    for field in find_fields(message.descriptor, names) or ():
        readers.append(message.fields[field.name])
        nested = nested_message(field)
        message = reader.message_reader(nested) if nested is not None else message
    return tuple(readers) or None


def _other_member(field: FieldReader, node: dict[str, Any]) -> str | None:
    """Return the JSON name of another field that is set in a node, and is in the same oneof as `field`.

    Return None if no such field is set.
    """
    return next((one.json_name for one in other_members(field.descriptor) if one.name in node), None)


def _path_to(fields: Sequence[FieldReader], rest: str | None = None, key: str | None = None) -> JsonPath:
    """Return the path to a field, to a map entry, or to an unknown name.

    Args:
        fields: the fields on the path.
        rest: the unknown rest of the name; None if every part of the name is a field.
        key: the key of the map entry; None if the path has no map key.
    """
    path: JsonPath = None
    for field in fields:
        path = (path, field)
    if rest is not None:
        text = rest if key is None else f"{rest}[{key}]"
        return (path, text if _PLAIN_PATH.fullmatch(text) else quote(text))
    return path if key is None else (path, (key,))
