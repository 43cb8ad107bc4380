"""What is sent: four kinds of calls, as bytes, and the response that each has to get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.config import Config
from gateway.schema import load_schema

if TYPE_CHECKING:
    from google.protobuf.message import Message

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
LIST = "yandex.cloud.baremetal.v1alpha.ImageService/List"
IMAGES = "/baremetal/v1alpha/images"
# Without a name: a rule that only warns is broken, as often in practice.
IMAGE: dict[str, Any] = {
    "uri": "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso",
    "labels": {"env": "prod", "owner": "infra", "cost-center": "cc-42"},
}
DENIED: dict[str, Any] = IMAGE | {"uri": "https://storage.yandexcloud.net/other-images/ubuntu-24.04.iso"}

_HEADERS = {
    "Host": "gateway.example",
    "User-Agent": "bench/1",
    "Accept": "application/json",
    "Authorization": "Bearer t1.example",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One kind of call.

    Attributes:
        name: for people.
        key: for ARGS and code.
        request: an HTTP/1.1 request with its body; or a gRPC message, not packed.
        grpc_path: of the method; empty for HTTP/1.1.
        status: of the HTTP response; 200 for a gRPC response with a message.
    """

    name: str
    key: str
    request: bytes
    grpc_path: str = ""
    status: int = 200


def http_request(method: str, path: str, tree: dict[str, Any] | None = None) -> bytes:
    """Return an HTTP/1.1 request."""
    headers, body = dict(_HEADERS), b""
    if tree is not None:
        body = json.dumps(tree).encode()
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def create_message() -> Message:
    """Return the create as a message."""
    return load_schema(Config().services).methods[CREATE].request(**IMAGE)


def workloads() -> tuple[Workload, ...]:
    """Return all."""
    return (
        Workload(name="REST create", key="create", request=http_request("POST", IMAGES, IMAGE)),
        Workload(
            name="gRPC create",
            key="grpc",
            request=create_message().SerializeToString(),
            grpc_path=f"/{CREATE}",
        ),
        Workload(
            name="REST create, denied", key="denied", request=http_request("POST", IMAGES, DENIED), status=403
        ),
        Workload(
            name="REST List",
            key="list",
            request=http_request("GET", f"{IMAGES}?folderId=b1gexample&pageSize=10"),
        ),
    )
