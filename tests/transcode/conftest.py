"""The schema of the library service, and requests bound by its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.transcode import JsonWriter, Match, build_router, parse_target
from tests.protos import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.schema import Schema
    from gateway.transcode import Route, Router


@pytest.fixture(scope="session")
def descriptor_set() -> bytes:
    return compiled.descriptor_set(compiled.LIBRARY)


@pytest.fixture(scope="session")
def schema() -> Schema:
    return compiled.schema_of(compiled.LIBRARY)


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
