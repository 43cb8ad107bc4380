"""One HTTP rule's way from path, query and body to the request message.

Each part of a request fills fields of its own: what the path says, neither the
query nor the body may say again, or policy could judge one value and the
upstream receive another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from gateway.errors import EnoughViolationsError, invalid_request
from gateway.schema import descriptor_of, fits_parameter
from gateway.transcode.http_body import raw_value, takes_raw_body
from gateway.transcode.json_text import is_deeper, parse_json
from gateway.transcode.masks import MaskRule
from gateway.transcode.placer import Placer, find_readers
from gateway.transcode.request_target import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from gateway.schema import HttpRule, Method
    from gateway.transcode.json_reader import FieldReader, JsonReader
    from gateway.transcode.json_values import ReadContext
    from gateway.transcode.template import Template, Variable

_NOTHING = object()
_ENCODED_SLASH = re.compile(r"(%2[Ff])")
# Beyond so many levels of JSON a message may have more of its own than the 100 that peers take: a Struct has
# three for each.
_SAFE_DEPTH = 30


class RuleError(ValueError):
    """An HTTP rule names a field that the request or the reply does not have."""


class Binder:
    """Makes a method's request message by one of its HTTP rules.

    Raises:
        RuleError: when made, if the rule does not fit the method's types.
    """

    def __init__(self, method: Method, rule: HttpRule, template: Template, reader: JsonReader) -> None:
        """Prepare.

        Args:
            method: that is called.
            rule: one of its own.
            template: the rule's path.
            reader: of the schema that the method belongs to.
        """
        self._request = method.request
        self._rule = rule
        self._reader = reader
        descriptor = descriptor_of(method.request)
        self._message = reader.message_reader(descriptor)
        self._variables = {
            variable.field_path: self._check_variable(variable.field_path) for variable in template.variables
        }
        if rule.body not in {"", "*"} and rule.body not in descriptor.fields_by_name:
            raise RuleError(f"the body sets {rule.body!r}, which {descriptor.full_name} does not have")
        self._takes_raw_body = takes_raw_body(method, rule)
        reply = descriptor_of(method.reply)
        if rule.response_body and rule.response_body not in reply.fields_by_name:
            raise RuleError(f"the response is {rule.response_body!r}, which {reply.full_name} does not have")
        self._mask = MaskRule(method, rule, reader)

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
        context = self._reader.start()
        value = self._parse_body(body, content_type)
        tree: dict[str, Any] = {}
        try:
            tree = self._read_body(context, value)
            placer = Placer(context, self._reader, self._message, tree, self._rule.body)
            for variable, text in captures:
                placer.place_path(self._variables[variable.field_path], _decode_capture(variable, text))
            for name, text in query:
                placer.place_query(name, text)
            placer.read_placed()
        except EnoughViolationsError:
            pass
        if context.violations.found:
            raise invalid_request("the request is malformed", context.violations.found)
        is_deep = is_deeper(value, _SAFE_DEPTH, body) or any(
            name.count(".") > _SAFE_DEPTH for name, _ in query
        )
        message = self._make(tree, is_deep=is_deep)
        self._mask.infer(message, value)
        return message

    def _make(self, tree: dict[str, Any], *, is_deep: bool) -> Message:
        """Return the message of a tree; one that no peer could parse is refused."""
        try:
            message = self._message.to_message(tree)
            if is_deep:
                type(message)().MergeFromString(message.SerializePartialToString())
        except DecodeError as error:
            raise invalid_request("the request is nested too deeply") from error
        except (TypeError, ValueError) as error:  # the reader let through what it should not
            raise invalid_request("the request does not fit the method's message") from error
        return message

    def _check_variable(self, field_path: tuple[str, ...]) -> tuple[FieldReader, ...]:
        """Return the fields of a variable of the path."""
        path, name = ".".join(field_path), self._message.descriptor.full_name
        fields = find_readers(self._reader, self._message, field_path)
        if fields is None:
            raise RuleError(f"the path sets {path!r}, which {name} does not have")
        last = fields[-1].descriptor
        if last.is_repeated or not fits_parameter(last):
            raise RuleError(f"the path sets {path!r}, which is not a single value")
        return fields

    def _parse_body(self, body: bytes, content_type: str) -> Any:
        """Return the JSON value of the body, or nothing when there is none."""
        if self._takes_raw_body:
            return raw_value(body, content_type)
        if not body:
            return _NOTHING
        if not self._rule.body:
            raise invalid_request("this method takes no body; leave it out")
        return parse_json(body)

    def _read_body(self, context: ReadContext, value: Any) -> dict[str, Any]:
        if value is _NOTHING:
            return {}
        if self._rule.body == "*":
            tree = self._message.read(context, value, None)
            return tree if isinstance(tree, dict) else {}
        field = self._message.fields[self._rule.body]
        return {field.name: field.read(context, value, (None, field))}


def _decode_capture(variable: Variable, text: str) -> str:
    """Decode a variable's text; in one that may hold slashes an encoded slash stays as it is."""
    if not variable.is_multi:
        return decode(text, "the path")
    parts = _ENCODED_SLASH.split(text)
    return "".join(part if _ENCODED_SLASH.fullmatch(part) else decode(part, "the path") for part in parts)
