"""The HTTP responses of the gateway. A body is JSON or raw bytes. Errors are sent as google.rpc.Status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from gateway.errors import to_status
from gateway.listeners.errors import HttpError
from gateway.listeners.http.body_response import SERVER, BodyResponse
from gateway.listeners.response_size import to_warning_headers
from gateway.transcode import JsonWriter, http_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web
    from google.rpc import status_pb2

    from gateway.errors import GatewayError

JSON = "application/json"
_RETRY_INFO = "/google.rpc.RetryInfo"


def set_common_headers(response: web.StreamResponse, identifiers: Mapping[str, str]) -> None:
    """Set the headers that every response of every HTTP listener has.

    Args:
        response: the response; its headers must not have been sent yet.
        identifiers: the headers that identify the request.
    """
    if isinstance(response, BodyResponse):
        response.add_headers(identifiers)
        return
    response.headers["Server"] = SERVER
    response.headers.update(identifiers)


def set_warnings(response: web.StreamResponse, warnings: tuple[str, ...]) -> None:
    """Add a Warning header for each warning."""
    if not warnings:
        return
    add = response.add_header if isinstance(response, BodyResponse) else response.headers.add
    for text in to_warning_headers(warnings):
        add("Warning", text)


def error_response(error: GatewayError, writer: JsonWriter, request_id: str) -> BodyResponse:
    """Return the response to a call that ended with an error."""
    found = to_status(error, request_id)
    body = writer.write_status(found)
    status: int = error.status if isinstance(error, HttpError) else http_status(error.code)
    response = json_response(body, status, error.headers)
    retry_after_s = _read_retry_after(found)
    if retry_after_s is not None:
        response.add_header("Retry-After", str(retry_after_s))
    set_warnings(response, error.warnings)
    return response


def _read_retry_after(status: status_pb2.Status) -> int | None:
    """Return the delay of the RetryInfo in a status, in whole seconds; None if there is no valid delay.

    The delay is rounded up, because a caller that repeats the call too early is refused again. The status may
    be one of an upstream, so its RetryInfo may be malformed.
    """
    for detail in status.details:
        if detail.type_url.endswith(_RETRY_INFO):
            info = error_details_pb2.RetryInfo()
            try:
                info.ParseFromString(detail.value)
            except DecodeError:
                return None
            delay = info.retry_delay
            return max(delay.seconds + (delay.nanos > 0), 1) if delay.seconds >= 0 else None
    return None


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> BodyResponse:
    """Return a response whose body is a JSON text."""
    return BodyResponse(body, JSON, status, headers)


def tree_response(tree: Any, status: int = 200) -> BodyResponse:
    """Return a response whose body is the JSON text of a value."""
    return json_response(json.dumps(tree, ensure_ascii=False).encode(), status)


def raw_response(body: bytes, content_type: str) -> BodyResponse:
    """Return a response with a raw body. The body may have any content type.

    A header prevents browsers from guessing another content type.
    """
    return BodyResponse(body, content_type, headers={"X-Content-Type-Options": "nosniff"})


def to_bytes(response: web.Response) -> bytes:
    """Return the bytes of a response. The header `Connection: close` is added."""
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("only a response whose body is bytes")
    headers = {**response.headers, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
