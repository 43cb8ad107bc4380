"""A policy server for Envoy's ext_authz filter that costs as little as one can: the rules are Python code.

It reads the body that Envoy sends (JSON, or a gRPC message), checks what the bundle that ships checks, and
writes one line for each decision, all lines of a turn of the event loop at once. A real one, such as OPA,
costs many times as much.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bench.workloads import CREATE, IMAGES
from gateway.config import Config
from gateway.schema import load_schema

_BUCKETS = {"golden-images"}
_ENVIRONMENTS = {"prod", "staging", "dev"}
_HOST = "storage.yandexcloud.net"
_GRPC_PREFIX = 5
_FORBIDDEN = 403
_PERMISSION_DENIED = 7

# CheckRequest and CheckResponse of envoy/service/auth/v3, as far as they are used.
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "Http": [
        ("method", 2, "string"),
        ("path", 4, "string"),
        ("body", 11, "string"),
        ("raw_body", 12, "bytes"),
    ],
    "Request": [("http", 2, "Http")],
    "Attributes": [("request", 4, "Request")],
    "CheckRequest": [("attributes", 1, "Attributes")],
    "Status": [("code", 1, "int32")],
    "HttpStatus": [("code", 1, "int32")],
    "Denied": [("status", 1, "HttpStatus"), ("body", 3, "string")],
    "CheckResponse": [("status", 1, "Status"), ("denied_response", 2, "Denied")],
}


def _message_classes() -> dict[str, Any]:
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {"string": kinds.TYPE_STRING, "bytes": kinds.TYPE_BYTES, "int32": kinds.TYPE_INT32}
    file = descriptor_pb2.FileDescriptorProto(name="ext_authz.proto", package="ext_authz", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL)
            if kind in scalars:
                added.type = scalars[kind]
            else:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".ext_authz.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ext_authz.{name}"))
        for name in _MESSAGES
    }


class PolicyServer:
    """Decides on creates; anything else is allowed."""

    def __init__(self) -> None:
        classes = _message_classes()
        self._check = classes["CheckRequest"]
        self._response = classes["CheckResponse"]
        self._allowed = self._response(status={"code": 0}).SerializeToString()
        self._create = load_schema(Config().services).methods[CREATE].request
        self._lines: list[str] = []

    def respond(self, request: bytes) -> bytes:
        """Return the CheckResponse to a CheckRequest."""
        http = self._check.FromString(request).attributes.request.http
        uri, labels = self._read(http)
        violations = [] if uri is None else _find_violations(uri, labels)
        self._log(http, uri, labels, violations)
        return self._deny(violations) if violations else self._allowed

    def _read(self, http: Any) -> tuple[str | None, Any]:
        if http.path == f"/{CREATE}":
            message: Any = self._create.FromString((http.raw_body or http.body.encode())[_GRPC_PREFIX:])
            return message.uri, message.labels
        if http.method == "POST" and http.path == IMAGES:
            tree = json.loads(http.raw_body or http.body)
            return tree.get("uri", ""), tree.get("labels", {})
        return None, {}

    def _deny(self, violations: list[str]) -> bytes:
        body = json.dumps({"code": _PERMISSION_DENIED, "message": "; ".join(violations), "details": []})
        response = self._response(
            status={"code": _PERMISSION_DENIED},
            denied_response={"status": {"code": _FORBIDDEN}, "body": body},
        )
        data: bytes = response.SerializeToString()
        return data

    def _log(self, http: Any, uri: str | None, labels: Any, violations: list[str]) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        record = {
            "time": time.time(),
            "id": uuid.uuid4().hex,
            "path": http.path,
            "request": {"uri": uri, "labels": dict(labels)},
            "violations": violations,
        }
        self._lines.append(json.dumps(record))

    def _write(self) -> None:
        os.write(1, ("\n".join(self._lines) + "\n").encode())
        self._lines.clear()


def _find_violations(uri: str, labels: Any) -> list[str]:
    link = urlsplit(uri)
    bucket, _, key = link.path.lstrip("/").partition("/")
    met = {
        "approved-source/link": link.hostname == _HOST,
        "approved-source/scheme": link.scheme == "https",
        "approved-source/bucket": bucket in _BUCKETS,
        "approved-source/iso": key.endswith(".iso"),
        "required-labels/env": labels.get("env") in _ENVIRONMENTS,
        "required-labels/owner": bool(labels.get("owner")),
        "required-labels/cost-center": bool(labels.get("cost-center")),
    }
    return [rule for rule, is_met in met.items() if not is_met]
