"""Streams to an upstream that receives the gateway's own credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.wire.conftest import Upstream, Wire, Wired

OWN: dict[str, Any] = {"credentials__type": "static", "credentials__token": "own"}


async def build(wired: Wired) -> tuple[int, str]:
    headers = {"Authorization": "Bearer caller"}
    async with wired.client.post(wired.url("/wire/builds"), json={"count": 2}, headers=headers) as response:
        return response.status, await response.text()


async def test_a_stream_has_the_gateways_token(wire: Wire) -> None:
    wired = await wire(**OWN)
    assert (await build(wired))[0] == 200
    ((_, _, metadata),) = wired.upstream.calls
    assert metadata["authorization"] == "Bearer own"


async def test_a_stream_whose_token_is_refused_is_unavailable(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Upstream, name: str, request: Any, context: Any) -> AsyncIterator[Any]:
        self.record(name, request, context)
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is invalid")
        yield request

    monkeypatch.setattr(Upstream, "watch", refuse)
    wired = await wire(**OWN)
    status, body = await build(wired)
    assert (status, "CREDENTIALS_REFUSED" in body, "token is invalid" in body) == (503, True, False)
    assert len(wired.upstream.calls) == 1
