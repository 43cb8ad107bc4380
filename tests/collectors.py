"""Collectors for OTLP: ones that receive over gRPC and HTTP, and ones that do not work."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOCOLS = ("grpc", "http/protobuf")


@dataclass
class Received:
    """What a collector has received."""

    spans: list[Span] = field(default_factory=list)
    log_records: list[LogRecord] = field(default_factory=list)
    schemas: set[str] = field(default_factory=set)

    def add_spans(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
                self.schemas.add(scope.schema_url)

    def add_logs(self, request: logs_service_pb2.ExportLogsServiceRequest) -> None:
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                self.log_records += scope.log_records


def attributes_of(item: Any) -> dict[str, Any]:
    """Return the attributes of a span, an event or a log record."""
    return {one.key: _value_of(one.value) for one in item.attributes}


def _value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value_of(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


def environment_of(port: int, protocol: str) -> dict[str, str]:
    """Return the variables that send spans and log records to a port."""
    return {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{port}" + _path(protocol, "traces"),
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"http://127.0.0.1:{port}" + _path(protocol, "logs"),
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }


def _path(protocol: str, signal: str) -> str:
    return "" if protocol == "grpc" else f"/v1/{signal}"


@contextmanager
def collecting(protocol: str) -> Iterator[tuple[Received, dict[str, str]]]:
    """Start a collector. Yield what it receives, and the variables that lead to it."""
    received = Received()
    serve = _serve_grpc if protocol == "grpc" else _serve_http
    with serve(received) as port:
        yield received, environment_of(port, protocol)


@contextmanager
def _serve_grpc(received: Received) -> Iterator[int]:
    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, _: Any) -> Any:  # noqa: N802 - the service's own name
            received.add_spans(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(self, request: Any, _: Any) -> Any:  # noqa: N802 - the service's own name
            received.add_logs(request)
            return logs_service_pb2.ExportLogsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    for add, servicer in (
        (trace_service_pb2_grpc.add_TraceServiceServicer_to_server, Traces()),
        (logs_service_pb2_grpc.add_LogsServiceServicer_to_server, Logs()),
    ):
        register: Any = add
        register(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextmanager
def _serve_http(received: Received) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                received.add_spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            else:
                received.add_logs(logs_service_pb2.ExportLogsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def silent() -> Iterator[int]:
    """The port of a collector that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def absent() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def resetting() -> Iterator[int]:
    """The port of a collector that resets each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset_all() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        thread = threading.Thread(target=reset_all)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def refusing() -> Iterator[int]:
    """The port of a collector that answers each HTTP request with 400."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
