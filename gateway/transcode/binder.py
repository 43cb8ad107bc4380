"""One HTTP rule's way from path, query and body to the request message.

Each part of a request fills fields of its own: what the path says, neither the
query nor the body may say again, or policy could judge one value and the
upstream receive another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from gateway.errors import FieldViolation, invalid_request
from gateway.masking import quote
from gateway.schema import descriptor_of, entry_of, is_map
from gateway.transcode.http_body import raw_value, takes_raw_body
from gateway.transcode.json_reader import SPECIAL, WRAPPERS, JsonReader, find_field, to_message
from gateway.transcode.json_text import parse_json
from gateway.transcode.masks import infer_mask
from gateway.transcode.scalars import parse_text
from gateway.transcode.target import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from gateway.schema import HttpRule, Method
    from gateway.transcode.template import Template, Variable

_NOTHING = object()
_ENCODED_SLASH = re.compile(r"(%2[Ff])")
_MAP_KEY = re.compile(r"([^\[]*)\[(.*)\]", re.DOTALL)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.]{1,120}")

# Message types that a parameter's text can stand for.
_TEXT_MESSAGES = {f"google.protobuf.{kind}" for kind in ("Timestamp", "Duration", "FieldMask")} | WRAPPERS


class RuleError(ValueError):
    """An HTTP rule names a field that the request or the reply does not have."""


class Binder:
    """Makes a method's request message by one of its HTTP rules.

    Raises:
        RuleError: when made, if the rule does not fit the method's types.
    """

    def __init__(self, method: Method, rule: HttpRule, template: Template) -> None:
        self._request = method.request
        self._rule = rule
        descriptor = descriptor_of(method.request)
        for variable in template.variables:
            _check_variable(descriptor, variable.field_path)
        if rule.body not in {"", "*"} and rule.body not in descriptor.fields_by_name:
            raise RuleError(f"the body fills {rule.body!r}, which {descriptor.full_name} does not have")
        self._takes_raw_body = takes_raw_body(method, rule)
        reply = descriptor_of(method.reply)
        if rule.response_body and rule.response_body not in reply.fields_by_name:
            raise RuleError(f"the answer is {rule.response_body!r}, which {reply.full_name} does not have")

    def bind(
        self,
        captures: Sequence[tuple[Variable, str]],
        query: Sequence[tuple[str, str]],
        body: bytes,
        content_type: str = "",
    ) -> Message:
        """Return the request message.

        Args:
            captures: variables of the path with their text, percent-encoded.
            query: decoded names and values.
            body: as it came; empty when there was none.
            content_type: of the body, for rules that take bytes of any type.

        Raises:
            GatewayError: INVALID_ARGUMENT with every violation found in any of the three.
        """
        reader = JsonReader()
        value = self._parse_body(body, content_type)
        tree = self._read_body(reader, value)
        placer = _Placer(reader, descriptor_of(self._request), tree)
        for variable, text in captures:
            placer.place_path(variable.field_path, _decode_capture(variable, text))
        for name, text in query:
            self._place_query(placer, name, text)
        placer.read_placed()
        if reader.violations:
            raise invalid_request("the request is malformed", reader.violations)
        message = self._request()
        try:
            to_message(tree, message, descriptor_of(self._request).file.pool)
        except (json_format.ParseError, ValueError) as error:  # the reader let through what it should not
            raise invalid_request("the request does not fit the method's message") from error
        infer_mask(self._rule, message, value)
        return message

    def _parse_body(self, body: bytes, content_type: str) -> Any:
        """Return the JSON value of the body, or nothing when there is none."""
        if self._takes_raw_body:
            return raw_value(body, content_type)
        if not body:
            return _NOTHING
        if not self._rule.body:
            raise invalid_request("this method takes no body; leave it out")
        return parse_json(body)

    def _read_body(self, reader: JsonReader, value: Any) -> dict[str, Any]:
        descriptor = descriptor_of(self._request)
        if value is _NOTHING:
            return {}
        if self._rule.body == "*":
            tree = reader.read_message(descriptor, value, "")
            return tree if isinstance(tree, dict) else {}
        field = descriptor.fields_by_name[self._rule.body]
        return {field.name: reader.read_field(field, value, field.name)}

    def _place_query(self, placer: _Placer, name: str, text: str) -> None:
        if self._rule.body == "*":
            placer.refuse(name, "is no parameter of the query: all fields stand in the body")
        else:
            placer.place_query(name, text, body=self._rule.body)


class _Placer:
    """Puts the texts of path and query into the tree of the request."""

    def __init__(self, reader: JsonReader, descriptor: Descriptor, tree: dict[str, Any]) -> None:
        self._reader = reader
        self._descriptor = descriptor
        self._tree = tree
        self._bound: set[tuple[str, ...]] = set()
        # field, where its value stands in the tree, its path
        self._placed: dict[str, tuple[FieldDescriptor, dict[str, Any]]] = {}

    def place_path(self, field_path: tuple[str, ...], text: str) -> None:
        self._bound.add(field_path)
        fields, path = _fields_at(self._descriptor, field_path), ".".join(field_path)
        node = self._descend(fields, path)
        if node is None:
            return
        if fields[-1].name in node:
            self.refuse(path, "is set by the path already; leave it out of the body")
            return
        node[fields[-1].name] = parse_text(_leaf(fields[-1]), text)
        self._placed[path] = (fields[-1], node)

    def place_query(self, name: str, text: str, body: str) -> None:
        plain, key = name, None
        if match := _MAP_KEY.fullmatch(name):
            plain, key = match[1], match[2]
        fields = self._resolve(plain)
        if fields is None or is_map(fields[-1]) != (key is not None):
            self.refuse(name, f"no such parameter; parameters: {self._parameters(body)}")
            return
        names = tuple(field.name for field in fields)
        path = ".".join(names)
        if any(names[: len(bound)] == bound for bound in self._bound):
            self.refuse(path, "is set by the path; leave it out of the query")
        elif names[0] == body:
            self.refuse(path, "is set by the body; leave it out of the query")
        elif not _is_textual(fields[-1]):
            self.refuse(path, "is a message; set its fields one by one")
        else:
            self._put(fields, path, text, key)

    def read_placed(self) -> None:
        """Let the reader judge and normalise each value that was placed."""
        for path, (field, node) in self._placed.items():
            node[field.name] = self._reader.read_field(field, node[field.name], path)

    def refuse(self, path: str, description: str) -> None:
        self._violate(path if _PLAIN_PATH.fullmatch(path) else quote(path), description)

    def _violate(self, path: str, description: str) -> None:
        self._reader.violations.append(
            FieldViolation(field=path, description=description, reason="MALFORMED")
        )

    def _put(self, fields: list[FieldDescriptor], path: str, text: str, key: str | None) -> None:
        node, field = self._descend(fields, path), fields[-1]
        if node is None:
            return
        if key is not None:
            self._put_entry(node, field, path, key, text)
        elif field.is_repeated:
            node.setdefault(field.name, []).append(parse_text(_leaf(field), text))
        elif field.name in node:
            self.refuse(path, "is set more than once; keep one")
        else:
            node[field.name] = parse_text(_leaf(field), text)
        self._placed[path] = (field, node)

    def _put_entry(
        self, node: dict[str, Any], field: FieldDescriptor, path: str, key: str, text: str
    ) -> None:
        entries = node.setdefault(field.name, {})
        if key in entries:
            self._violate(f"{path}[{quote(key)}]", "is set more than once; keep one")
        entries[key] = parse_text(_leaf(entry_of(field)[1]), text)

    def _descend(self, fields: list[FieldDescriptor], path: str) -> dict[str, Any] | None:
        """Return the node that holds the last field; None, with the violation noted, if it cannot be set."""
        node: Any = self._tree
        for depth, field in enumerate(fields):
            if other := _sibling_in_oneof(field, node):
                self.refuse(path, f"{other} is set as well; set one of them")
                return None
            if depth == len(fields) - 1:
                break
            node = node.setdefault(field.name, {})
            if not isinstance(node, dict):  # of the body, and refused already
                return None
        return node  # type: ignore[no-any-return]

    def _resolve(self, name: str) -> list[FieldDescriptor] | None:
        fields: list[FieldDescriptor] = []
        descriptor: Descriptor | None = self._descriptor
        for part in name.split("."):
            field = find_field(descriptor, part) if descriptor else None
            if field is None:
                return None
            fields.append(field)
            descriptor = _inner(field)
        return fields

    def _parameters(self, body: str) -> str:
        bound = {path[0] for path in self._bound} | {body}
        names = [field.json_name for field in self._descriptor.fields if field.name not in bound]
        return ", ".join(names) or "none"


def _check_variable(descriptor: Descriptor, field_path: tuple[str, ...]) -> None:
    try:
        field = _fields_at(descriptor, field_path)[-1]
    except KeyError as error:
        raise RuleError(
            f"the path fills {'.'.join(field_path)!r}, which {descriptor.full_name} does not have"
        ) from error
    if field.is_repeated or not _is_textual(field):
        raise RuleError(f"the path fills {'.'.join(field_path)!r}, which is no single value")


def _fields_at(descriptor: Descriptor, field_path: tuple[str, ...]) -> list[FieldDescriptor]:
    fields: list[FieldDescriptor] = []
    inner: Descriptor | None = descriptor
    for name in field_path:
        if inner is None:
            raise KeyError(name)
        fields.append(inner.fields_by_name[name])
        inner = _inner(fields[-1])
    return fields


def _inner(field: FieldDescriptor) -> Descriptor | None:
    """Return the type whose fields can be set one by one, None if the field is set as a whole."""
    kind = field.message_type
    return None if kind is None or field.is_repeated or kind.full_name in SPECIAL else kind


def _is_textual(field: FieldDescriptor) -> bool:
    if is_map(field):
        return _is_textual(entry_of(field)[1])
    return field.message_type is None or field.message_type.full_name in _TEXT_MESSAGES


def _leaf(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field that decides how a text is read: the one inside a wrapper."""
    kind = field.message_type
    return kind.fields_by_name["value"] if kind is not None and kind.full_name in WRAPPERS else field


def _sibling_in_oneof(field: FieldDescriptor, node: dict[str, Any]) -> str | None:
    oneof = field.containing_oneof
    if oneof is None:
        return None
    return next((one.name for one in oneof.fields if one.name in node and one.name != field.name), None)


def _decode_capture(variable: Variable, text: str) -> str:
    """Decode a variable's text; in one that may hold slashes an encoded slash stays as it is."""
    if not variable.is_multi:
        return decode(text, "the path")
    parts = _ENCODED_SLASH.split(text)
    return "".join(part if _ENCODED_SLASH.fullmatch(part) else decode(part, "the path") for part in parts)
