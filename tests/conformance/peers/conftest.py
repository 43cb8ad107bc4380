"""Routes of the test services, and the gateway of tests/wire that serves two of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.schema import Schema, load_schema
from gateway.transcode import JsonWriter, Match, Route, Router, build_router, parse_target
from tests.protos.compiled import LIBRARY
from tests.schema.compiling import compile_protos
from tests.wire.conftest import sets, shared_wired, wire, wire_schema, wired

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "bind",
    "peers_router",
    "peers_schema",
    "peers_writer",
    "sets",
    "shared_wired",
    "wire",
    "wire_schema",
    "wired",
]

PEERS = "test.peers.v1.Peers"


@pytest.fixture(scope="session")
def peers_schema(sets: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Schema:
    target = tmp_path_factory.mktemp("peers") / "peers.binpb"
    own = compile_protos(Path(__file__).parent / "protos", target)
    return load_schema([LIBRARY, PEERS], {"library": sets["library"], "peers": own})


@pytest.fixture(scope="session")
def peers_router(peers_schema: Schema) -> Router[Route]:
    return build_router(peers_schema)


@pytest.fixture(scope="session")
def peers_writer(peers_schema: Schema) -> JsonWriter:
    return JsonWriter(peers_schema.pool)


@pytest.fixture(scope="session")
def bind(peers_router: Router[Route]) -> Callable[..., Any]:
    """Return the message of a request: its line, `GET /path?query`, and its body."""

    def bind_one(request: str, body: bytes = b"") -> Any:
        http_method, _, raw = request.partition(" ")
        target = parse_target(raw)
        found = peers_router.find(http_method, target.segments)
        assert isinstance(found, Match), found
        return found.route.binder.bind(found.captures, target.query, body)

    return bind_one
