"""Documents: of the real API, and of every test service."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import Config
from gateway.openapi import build_document, read_comments
from gateway.schema import Schema, builtin_descriptors, load_schema
from tests.protos.compiled import LIBRARY, ODD, SERVICES, WIRE, schema_of


@pytest.fixture(scope="session")
def schemas() -> dict[str, Schema]:
    return {service: schema_of(service) for service in SERVICES}


@pytest.fixture(scope="session")
def documents(schemas: dict[str, Schema]) -> dict[str, Any]:
    return {
        service: build_document(schema, {}, version="1", server="http://gateway")
        for service, schema in schemas.items()
    }


@pytest.fixture(scope="session")
def document() -> Any:
    """The document of the real API."""
    schema = load_schema(Config().services)
    return build_document(
        schema, read_comments([builtin_descriptors()]), version="1", server="http://gateway"
    )


@pytest.fixture(scope="session")
def odd(documents: dict[str, Any]) -> Any:
    return documents[ODD]


@pytest.fixture(scope="session")
def library(documents: dict[str, Any]) -> Any:
    return documents[LIBRARY]


@pytest.fixture(scope="session")
def wire(documents: dict[str, Any]) -> Any:
    return documents[WIRE]
