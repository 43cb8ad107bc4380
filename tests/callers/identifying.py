"""Identifiers of callers, with files of tokens and keys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import RequestHead
from gateway.callers import CallerIdentifier
from gateway.errors import Code, GatewayError
from gateway.telemetry import Health, Metrics
from tests.callers.making import (
    HEADER,
    Clock,
    jwks,
    make_callers,
)

Make = Callable[..., CallerIdentifier]
TOKEN = "token-" + "a" * 40
TOKENS = f"tokens: [{{name: ci, sha256: {hashlib.sha256(TOKEN.encode()).hexdigest()}, groups: [builders]}}]"
DISCOVERY = "yandex.cloud.endpoint.ApiEndpointService/List"
ALL = ("mtls", "jwt", "tokens")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make identifiers; keyword arguments are keys of the section `callers`."""
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    (tmp_path / "keys.json").write_bytes(jwks())

    def make(*kinds: str, clock: Clock | None = None, **changes: Any) -> CallerIdentifier:
        sections: dict[str, Any] = {}
        if "tokens" in kinds:
            sections["tokens"] = {"file": tmp_path / "tokens.yaml"}
        if "jwt" in kinds:
            keys = tmp_path / "keys.json"
            sections["jwt"] = {"issuer": "https://id.example", "audience": "gateway", "jwks_file": keys}
        section = make_callers(kinds, **sections | changes)
        metrics, header = Metrics(Resource.create()), HEADER if section.uses_header else None
        return CallerIdentifier(section, header, Health(), metrics, clock=clock or Clock())

    return make


async def refuses(identifier: CallerIdentifier, head: RequestHead, code: Code, reason: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await identifier.identify(head)
    assert (caught.value.code, caught.value.reason) == (code, reason)
    return caught.value


async def misses(identifier: CallerIdentifier, head: RequestHead) -> None:
    await refuses(identifier, head, Code.UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def fails(identifier: CallerIdentifier, head: RequestHead, problem: str) -> None:
    error = await refuses(identifier, head, Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert error.metadata["problem"] == problem
