"""Conversion between HTTP and protobuf messages: templates, routing, parameters, JSON, status.

The package does no I/O and has no side effects. It implements two specifications:

- google.api.http: https://github.com/googleapis/googleapis/blob/master/google/api/http.proto
- the JSON mapping of protobuf: https://protobuf.dev/programming-guides/json/
"""

from gateway.transcode.binder import Binder
from gateway.transcode.field_names import to_json_path
from gateway.transcode.http_body import read_raw
from gateway.transcode.json_writer import JsonWriter, UnprintableError, reply_types, request_types
from gateway.transcode.request_target import RequestTarget, parse_target
from gateway.transcode.router import Match, Router, WrongHttpMethod
from gateway.transcode.routes import Route, build_router
from gateway.transcode.status import HTTP_STATUS, http_status

__all__ = [
    "HTTP_STATUS",
    "Binder",
    "JsonWriter",
    "Match",
    "RequestTarget",
    "Route",
    "Router",
    "UnprintableError",
    "WrongHttpMethod",
    "build_router",
    "http_status",
    "parse_target",
    "read_raw",
    "reply_types",
    "request_types",
    "to_json_path",
]
