"""Gateways that identify their callers, and calls of these callers over both protocols."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from tests.callers.making import AUDIENCE, ISSUER, jwks
from tests.conftest import IMAGES
from tests.waiting import GENEROUS_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.conftest import Running

HEADER = "x-gateway-authorization"
NAMES = ("ann", "bob")
IMAGE_SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
LIST = f"{IMAGE_SERVICE}/List"
LIST_REQUEST = b"\x0a\x0ab1gexample"


def token_of(name: str) -> str:
    return f"token-canary-of-{name}"


def bearer(text: str, header: str = HEADER) -> dict[str, str]:
    return {header: f"Bearer {text}"}


def write_tokens(path: Path, names: Sequence[str] = NAMES) -> None:
    tokens = [{"name": name, "sha256": hashlib.sha256(token_of(name).encode()).hexdigest()} for name in names]
    path.write_text(json.dumps({"tokens": tokens}))


def identifying(folder: Path, *kinds: str, **keys: Any) -> dict[str, str]:
    """Write keys and tokens, and return the section `callers` of a gateway. ann and bob have tokens."""
    section: dict[str, Any] = {"type": list(kinds)} | keys
    if "jwt" in kinds:
        (folder / "keys.json").write_bytes(jwks())
        section["jwt"] = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": str(folder / "keys.json")}
    if "tokens" in kinds:
        write_tokens(folder / "tokens.yaml")
        section["tokens"] = {"file": str(folder / "tokens.yaml")}
    return {"callers": json.dumps(section)}


@dataclass(frozen=True, slots=True)
class Response:
    """What a caller receives. The names of the headers, or of the trailing metadata, are in lower case."""

    code: int
    reason: str
    headers: Mapping[str, str]
    text: str


async def get(running: Running, headers: Mapping[str, str] | None = None, path: str = "") -> Response:
    """List images over REST, or read another path."""
    url = running.url(path or f"{IMAGES}?folderId=b1gexample")
    async with running.client.get(url, headers=headers) as response:
        text = await response.text()
        tree = json.loads(text)
        names = {name.lower(): value for name, value in response.headers.items()}
    reasons = [one["reason"] for one in tree.get("details", []) if "reason" in one]
    return Response(tree.get("code", 0), next(iter(reasons), ""), names, text)


async def call(
    running: Running,
    metadata: Sequence[tuple[str, str]] = (),
    method: str = LIST,
    data: bytes = LIST_REQUEST,
    channel: grpc.aio.Channel | None = None,
) -> Response:
    """List images over gRPC, or call another method."""
    opened = channel or grpc.aio.insecure_channel(str(running.addresses.grpc))
    callable_: Any = opened.unary_unary(f"/{method}")
    try:
        await callable_(data, metadata=tuple(metadata), timeout=GENEROUS_S)
    except grpc.aio.AioRpcError as error:
        return _to_response(error)
    else:
        return Response(0, "", {}, "")
    finally:
        if channel is None:
            await opened.close()


def _to_response(error: grpc.aio.AioRpcError) -> Response:
    trailing = dict(error.trailing_metadata() or ())
    reason = ""
    packed = trailing.pop("grpc-status-details-bin", b"")
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    return Response(error.code().value[0], reason, trailing, str(error.details()))
