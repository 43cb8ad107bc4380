"""Documents: of the real API, and of every test service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config
from gateway.openapi import build_document, read_comments
from gateway.schema import Schema, builtin_descriptors, load_schema
from tests.schema.compiling import compile_protos

HERE = Path(__file__).parent
FOLDERS = {
    "odd.v1.Odd": HERE / "protos",
    "rules.v1.Rules": HERE.parent / "validation/protos",
    "test.v1.Library": HERE.parent / "transcode/protos",
    "test.wire.v1.Wire": HERE.parent / "wire/protos",
}


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Schema]:
    folder = tmp_path_factory.mktemp("sets")
    return {
        service: load_schema([service], {service: compile_protos(protos, folder / f"{service}.binpb")})
        for service, protos in FOLDERS.items()
    }


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
    return documents["odd.v1.Odd"]


@pytest.fixture(scope="session")
def library(documents: dict[str, Any]) -> Any:
    return documents["test.v1.Library"]


@pytest.fixture(scope="session")
def wire(documents: dict[str, Any]) -> Any:
    return documents["test.wire.v1.Wire"]
