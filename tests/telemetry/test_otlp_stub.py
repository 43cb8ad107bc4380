"""The client of an OTLP service that sends encoded requests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

from gateway.telemetry.otlp_stub import EncodedStub

PATH = "/s.Service/Export"


class _Handler(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self.received: list[tuple[bytes, dict[str, Any]]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        def respond(request: bytes, context: Any) -> bytes:
            self.received.append((request, dict(context.invocation_metadata())))
            if request == b"refused":
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no")
            return b"not a message"

        return grpc.unary_unary_rpc_method_handler(respond) if details.method == PATH else None


@pytest.fixture
def served() -> Iterator[tuple[_Handler, EncodedStub]]:
    handler = _Handler()
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield handler, EncodedStub(channel, PATH)
    server.stop(0).wait()


def test_the_bytes_are_sent_as_they_are(served: tuple[_Handler, EncodedStub]) -> None:
    handler, stub = served
    stub.Export(b"\x0a\x00", metadata=(("x-tenant", "blue"),), timeout=10)
    ((request, metadata),) = handler.received
    assert (request, metadata["x-tenant"]) == (b"\x0a\x00", "blue")


def test_a_refused_export_is_an_error(served: tuple[_Handler, EncodedStub]) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        served[1].Export(b"refused", metadata=(), timeout=10)
    error: Any = raised.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
