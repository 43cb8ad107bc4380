"""The schema of protos/library.proto, and requests bound by its rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.schema import load_schema
from gateway.transcode import JsonWriter, Match, build_router, parse_target
from tests.schema.compiling import compile_protos

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.schema import Schema
    from gateway.transcode import Route, Router


@pytest.fixture(scope="session")
def descriptor_set(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    target = tmp_path_factory.mktemp("descriptors") / "library.binpb"
    return compile_protos(Path(__file__).parent / "protos", target)


@pytest.fixture(scope="session")
def schema(descriptor_set: bytes) -> Schema:
    return load_schema(["test.v1.Library"], {"test": descriptor_set})


@pytest.fixture(scope="session")
def router(schema: Schema) -> Router[Route]:
    return build_router(schema)


@pytest.fixture(scope="session")
def writer(schema: Schema) -> JsonWriter:
    return JsonWriter(schema.pool)


@pytest.fixture(scope="session")
def everything(schema: Schema) -> Any:
    """The message class with every kind of field."""
    return schema.message("test.v1.Everything")


@pytest.fixture(scope="session")
def inner(schema: Schema) -> Any:
    return schema.message("test.v1.Inner")


@pytest.fixture(scope="session")
def bind(router: Router[Route]) -> Callable[..., Any]:
    """Return the message of a request: its http_method, its target and its body."""

    def bind(http_method: str, raw: str, body: bytes = b"") -> Any:
        target = parse_target(raw)
        found = router.find(http_method, target.segments)
        assert isinstance(found, Match), found
        return found.route.binder.bind(found.captures, target.query, body)

    return bind
