"""The processes beside what is measured: `python -m bench.stubs upstream|collector|metrics|policy HOST:PORT`.

The collector prints what it has counted, as JSON, when it is stopped.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.http2 import GrpcServer
from bench.policy_server import PolicyServer
from bench.workloads import CREATE, IMAGE, LIST
from gateway.config import Config
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES_LISTED = 10
_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Upstream:
    """Responds to creates and lists, always with the same bytes."""

    def __init__(self) -> None:
        schema = load_schema(Config().services)
        self._created: bytes = _operation(schema.methods[CREATE]).SerializeToString()
        self._listed: bytes = _images(schema.methods[LIST]).SerializeToString()

    def respond(self, request: bytes) -> bytes:
        """Return an operation for a create, which names a link, and images for a list."""
        return self._created if b"https://" in request else self._listed


class Collector:
    """Counts the spans of each service by its name."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def respond(self, request: bytes) -> bytes:
        """Count the spans."""
        for resource in ExportTraceServiceRequest.FromString(request).resource_spans:
            (name,) = (
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            )
            count = sum(len(scope.spans) for scope in resource.scope_spans)
            self.counts[name] = self.counts.get(name, 0) + count
        return b""


class MetricsCollector:
    """Accepts metrics, at an address of its own: only the path, which is not read, tells them from spans."""

    def respond(self, _: bytes) -> bytes:
        """Accept an export."""
        return b""


def _operation(method: Any) -> Any:
    metadata = {
        "type_url": "type.googleapis.com/yandex.cloud.baremetal.v1alpha.CreateImageMetadata",
        "value": b"\x0a\x14" + b"a" * 20,  # image_id
    }
    return method.reply(
        id="f" * 20,
        description="Create image",
        created_at=_TIME,
        created_by="ajeexampleexample000",
        modified_at=_TIME,
        metadata=metadata,
    )


def _images(method: Any) -> Any:
    reply = method.reply(next_page_token="bmV4dA")  # noqa: S106 - the position in a list, not a secret
    for number in range(IMAGES_LISTED):
        reply.images.add(
            id=f"{'i' * 18}{number:02}",
            folder_id="b1gexample",
            name=f"ubuntu-24-{number:02}",
            checksum="0a" * 16,
            status=2,
            created_at=_TIME,
            labels=IMAGE["labels"],
        )
    return reply


async def serve(stub: Any, address: str) -> None:
    """Serve until SIGTERM."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    host, port = address.split(":")
    await loop.create_server(lambda: GrpcServer(stub.respond), host, int(port))
    await stopped.wait()


STUBS: dict[str, Callable[[], Any]] = {
    "upstream": Upstream,
    "collector": Collector,
    "metrics": MetricsCollector,
    "policy": PolicyServer,
}


def main() -> None:
    """Serve, then print the counts on standard error."""
    kind, address = sys.argv[1:]
    stub = STUBS[kind]()
    uvloop.run(serve(stub, address))
    if isinstance(stub, Collector):
        print(json.dumps(stub.counts))


if __name__ == "__main__":
    main()
