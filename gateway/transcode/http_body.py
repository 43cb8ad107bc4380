"""Conversion of google.api.HttpBody, a message type for bytes of any media type.

If an HTTP rule uses HttpBody for the request body or the response body, this HTTP body is not JSON. The
HTTP body is the bytes that the HttpBody contains.

See https://github.com/googleapis/googleapis/blob/master/google/api/httpbody.proto.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from gateway.schema import HttpRule, Method

HTTP_BODY = "google.api.HttpBody"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:;[\x20-\x7e]*)?")
_BYTES = "application/octet-stream"


def takes_raw_body(method: Method, rule: HttpRule) -> bool:
    """Return whether the request body of an HTTP rule is an HttpBody."""
    return _is_raw(descriptor_of(method.request), rule.body)


def returns_raw_body(method: Method, rule: HttpRule) -> bool:
    """Return whether the response body of an HTTP rule is an HttpBody."""
    return _is_raw(descriptor_of(method.reply), rule.response_body or "*")


def raw_value(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the JSON form of an HttpBody. The HttpBody contains the bytes of a request body.

    Args:
        body: the bytes of the request body.
        content_type: the content type of the request body.
    """
    return {"contentType": content_type, "data": base64.b64encode(body).decode()}


def read_raw(message: Message, field_name: str) -> tuple[bytes, str]:
    """Return the bytes and the media type of the HttpBody in a response.

    If the media type is not valid in an HTTP header, return `application/octet-stream` as the media type.

    Args:
        message: the response message.
        field_name: the name of the field with the HttpBody; empty if the response message is the HttpBody.
    """
    body: Any = getattr(message, field_name) if field_name else message
    return body.data, body.content_type if _MEDIA_TYPE.fullmatch(body.content_type) else _BYTES


def _is_raw(descriptor: Descriptor, body: str) -> bool:
    if body == "*":
        return descriptor.full_name == HTTP_BODY
    field = descriptor.fields_by_name.get(body)
    return (
        field is not None
        and field.message_type is not None
        and field.message_type.full_name == HTTP_BODY
        and not field.is_repeated
    )
