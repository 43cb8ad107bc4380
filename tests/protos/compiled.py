"""The test services, each compiled once for all tests of a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from gateway.schema import Schema, load_schema
from tests.schema.compiling import compile_protos

LIBRARY, ODD, RULES, WIRE = "test.v1.Library", "odd.v1.Odd", "rules.v1.Rules", "test.wire.v1.Wire"
_FILES = {
    LIBRARY: ["library.proto", "closed.proto"],
    ODD: ["oddities.proto"],
    RULES: ["rules.proto"],
    WIRE: ["wire.proto"],
}
SERVICES = tuple(_FILES)
POUR = f"{WIRE}/Pour"
"""The method that takes a stream of requests, so it cannot be served."""


@cache
def descriptor_set(service: str) -> bytes:
    """Return the serialized FileDescriptorSet of a test service."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "set.binpb"
        return compile_protos(Path(__file__).parent, target, files=_FILES[service])


@cache
def schema_of(service: str) -> Schema:
    """Return the schema of a test service alone."""
    excluded = [POUR] if service == WIRE else []
    return load_schema([service], {service: descriptor_set(service)}, excluded)
