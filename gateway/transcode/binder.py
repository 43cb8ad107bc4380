"""Conversion of an HTTP request (its path, query and body) to the request message of the method.

An HTTP rule describes the conversion. The path, the query and the body must set different fields. A
request that sets the same field twice, such as in the path and in the body, is refused. If such a request
was accepted, policies could evaluate one of the two values, and the upstream could receive the other value.
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
from gateway.transcode.parameters import Parameters, find_readers
from gateway.transcode.request_target import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from gateway.schema import HttpRule, Method
    from gateway.transcode.json_reader import FieldReader, JsonReader
    from gateway.transcode.json_values import ReadContext
    from gateway.transcode.template import Template, Variable

_NO_BODY = object()
_ENCODED_SLASH = re.compile(r"(%2[Ff])")
# JSON with more levels than this number may become a protobuf message with more than 100 levels, because a
# Struct has three message levels for each level of JSON. Other protobuf parsers do not accept such a message.
_SAFE_DEPTH = 30


class RuleError(ValueError):
    """An HTTP rule does not fit the request type or the response type of the method."""


class Binder:
    """Builds request messages from the HTTP requests that match one HTTP rule.

    Raises:
        RuleError: on construction, if the rule does not fit the types of the method.
    """

    def __init__(self, method: Method, rule: HttpRule, template: Template, reader: JsonReader) -> None:
        """Create a binder, and check the HTTP rule.

        Args:
            method: the method that the HTTP rule belongs to.
            rule: the HTTP rule of the method.
            template: the parsed path template of the rule.
            reader: the JSON reader of the method's schema.
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
        """Build the request message from the parts of an HTTP request.

        Args:
            captures: (variable, text) pairs. The text is the value of the variable in the path,
                percent-encoded.
            query: the decoded names and values of the query parameters.
            body: the body as received; empty if the request has no body.
            content_type: the content type of the body. It is used only if the body is read as an HttpBody.

        Raises:
            GatewayError: INVALID_ARGUMENT. The request is malformed. The error lists the violations in the
                path, the query and the body.
        """
        context = self._reader.start()
        value = self._parse_body(body, content_type)
        tree: dict[str, Any] = {}
        try:
            tree = self._read_body(context, value)
            if captures or query:
                self._set_parameters(context, tree, captures, query)
        except EnoughViolationsError:
            pass
        if context.violations.found:
            raise invalid_request("the request is malformed", context.violations.found)
        is_deep = is_deeper(value, _SAFE_DEPTH, body) or (
            bool(query) and any(name.count(".") > _SAFE_DEPTH for name, _ in query)
        )
        message = self._make(tree, is_deep=is_deep)
        self._mask.infer(message, value)
        return message

    def _set_parameters(
        self,
        context: ReadContext,
        tree: dict[str, Any],
        captures: Sequence[tuple[Variable, str]],
        query: Sequence[tuple[str, str]],
    ) -> None:
        parameters = Parameters(context, self._reader, self._message, tree, self._rule.body)
        for variable, text in captures:
            parameters.set_from_path(self._variables[variable.field_path], _decode_capture(variable, text))
        for name, text in query:
            parameters.set_from_query(name, text)
        parameters.convert()

    def _make(self, tree: dict[str, Any], *, is_deep: bool) -> Message:
        """Build the request message from a tree.

        Args:
            tree: the tree of arguments for the constructor of the message.
            is_deep: whether the message may be nested too deeply for other protobuf parsers. If true, the
                nesting is checked.

        Raises:
            GatewayError: INVALID_ARGUMENT. The message is nested too deeply, or cannot be built.
        """
        try:
            message = self._message.to_message(tree)
            if is_deep:
                type(message)().MergeFromString(message.SerializePartialToString())
        except DecodeError as error:
            raise invalid_request("the request is nested too deeply") from error
        except (TypeError, ValueError) as error:  # the constructor refuses a value that the reader accepted
            raise invalid_request("the request does not fit the method's message") from error
        return message

    def _check_variable(self, field_path: tuple[str, ...]) -> tuple[FieldReader, ...]:
        """Check the field path of a template variable, and return the reader of each field on the field path.

        Raises:
            RuleError: the request type has no field with this field path, or the field is not a single value.
        """
        path, name = ".".join(field_path), self._message.descriptor.full_name
        fields = find_readers(self._reader, self._message, field_path)
        if fields is None:
            raise RuleError(f"the path sets {path!r}, which {name} does not have")
        last = fields[-1].descriptor
        if last.is_repeated or not fits_parameter(last):
            raise RuleError(f"the path sets {path!r}, which is not a single value")
        return fields

    def _parse_body(self, body: bytes, content_type: str) -> Any:
        """Return the JSON value of the body. If the request has no body, return `_NO_BODY`."""
        if self._takes_raw_body:
            return raw_value(body, content_type)
        if not body:
            return _NO_BODY
        if not self._rule.body:
            raise invalid_request("this method takes no body; leave it out")
        return parse_json(body)

    def _read_body(self, context: ReadContext, value: Any) -> dict[str, Any]:
        if value is _NO_BODY:
            return {}
        if self._rule.body == "*":
            tree = self._message.read(context, value, None)
            return tree if isinstance(tree, dict) else {}
        field = self._message.fields[self._rule.body]
        return {field.name: field.read(context, value, (None, field))}


def _decode_capture(variable: Variable, text: str) -> str:
    """Decode the text of a template variable.

    If the variable can match several segments, the text `%2F` is not decoded to a slash.
    """
    if not variable.is_multi:
        return decode(text, "the path")
    parts = _ENCODED_SLASH.split(text)
    return "".join(part if _ENCODED_SLASH.fullmatch(part) else decode(part, "the path") for part in parts)
