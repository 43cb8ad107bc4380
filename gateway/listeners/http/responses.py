"""The HTTP responses of the gateway. A body is JSON or raw bytes. Errors are sent as google.rpc.Status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.errors import to_status
from gateway.listeners.errors import HttpError
from gateway.listeners.response_size import to_warning_headers
from gateway.transcode import JsonWriter, http_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.errors import GatewayError

JSON = "application/json"
_SERVER = "baremetal-gateway"


def set_common_headers(response: web.StreamResponse, identifiers: Mapping[str, str]) -> None:
    """Set the headers that every response of every HTTP listener has.

    Args:
        response: the response; its headers must not have been sent yet.
        identifiers: the headers that identify the request.
    """
    headers = response.headers
    headers["Server"] = _SERVER
    for name, value in identifiers.items():
        headers[name] = value


def set_warnings(response: web.StreamResponse, warnings: tuple[str, ...]) -> None:
    """Add a Warning header for each warning."""
    if not warnings:
        return
    for text in to_warning_headers(warnings):
        response.headers.add("Warning", text)


def error_response(error: GatewayError, writer: JsonWriter, request_id: str) -> web.Response:
    """Return the response to a call that ended with an error."""
    body = writer.write_status(to_status(error, request_id))
    status: int = error.status if isinstance(error, HttpError) else http_status(error.code)
    response = json_response(body, status, error.headers)
    set_warnings(response, error.warnings)
    return response


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response whose body is a JSON text."""
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def tree_response(tree: Any, status: int = 200) -> web.Response:
    """Return a response whose body is the JSON text of a value."""
    return json_response(json.dumps(tree, ensure_ascii=False).encode(), status)


def raw_response(body: bytes, content_type: str) -> web.Response:
    """Return a response with a raw body. The body may have any content type.

    A header prevents browsers from guessing another content type.
    """
    headers = {"Content-Type": content_type, "X-Content-Type-Options": "nosniff"}
    return web.Response(body=body, headers=headers)
