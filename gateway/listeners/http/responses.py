"""HTTP answers of the gateway's own: errors as google.rpc.Status, in JSON whatever went wrong."""

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


def error_answer(error: GatewayError, writer: JsonWriter, request_id: str, trace_id: str) -> web.Response:
    """Return the answer to a call that an error ended."""
    body = writer.write(to_status(error, request_id))
    status: int = http_status(error.code)
    headers: dict[str, str] = {}
    if isinstance(error, HttpError):
        status, headers = error.status, error.headers
    answer = json_answer(body, status, {**common_headers(request_id, trace_id), **headers})
    add_warnings(answer, error.warnings)
    return answer


def json_answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer with a JSON body."""
    answer = web.Response(body=body, status=status, content_type=JSON, headers=headers)
    answer.headers["Server"] = _SERVER
    return answer


def tree_answer(tree: Any, status: int = 200) -> web.Response:
    """Return an answer with a JSON value."""
    return json_answer(json.dumps(tree, ensure_ascii=False).encode(), status)


def common_headers(request_id: str, trace_id: str) -> dict[str, str]:
    """Return the headers that every answer to a caller has."""
    return {"x-request-id": request_id, "x-server-trace-id": trace_id}


def raw_answer(body: bytes, content_type: str) -> web.Response:
    """Return an answer of any type, which no browser may take for another."""
    headers = {"Content-Type": content_type, "X-Content-Type-Options": "nosniff", "Server": _SERVER}
    return web.Response(body=body, headers=headers)


def add_warnings(answer: web.Response, warnings: tuple[str, ...]) -> None:
    """Add a Warning header for each text."""
    for text in to_warning_headers(warnings):
        answer.headers.add("Warning", text)
