"""headers.yaml over the wire, and timeouts.yaml."""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import GatewayError
from gateway.listeners.metadata import read_timeout
from tests.conformance.peers.cases import Case, load_cases
from tests.conformance.peers.raw_clients import ask, fields_of, request_bytes
from tests.wire.conftest import Wired, WireStarter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.schema import Schema

# What the gateway and gRPC themselves say to an upstream.
OWN = {"user-agent", "traceparent", "tracestate", "x-client-request-id", "x-client-trace-id"}


def shown(metadata: dict[str, Any]) -> dict[str, str]:
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in metadata.items()
        if name not in OWN
    }


@pytest.fixture(scope="module")
async def passing(
    sets: dict[str, bytes], wire_schema: Schema, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Wired]:
    """A gateway that passes two further headers on."""
    async with AsyncExitStack() as stack:
        start = WireStarter(stack, sets, wire_schema, tmp_path_factory.mktemp("passing"))
        yield await start(api__pass_metadata="[foobar, test-bin]")


@pytest.mark.parametrize("case", load_cases("headers", "cases"))
async def test_header(passing: Wired, case: Case) -> None:
    wired = passing
    wired.upstream.reset()
    status, body = await ask(wired.addresses.rest, request_bytes("GET /wire/things/a", case["sent"]))
    if "refused" in case:
        assert (status, fields_of(body)) == (400, case["refused"])
        assert not wired.upstream.calls
        return
    assert status == 200, body
    ((_, _, metadata),) = wired.upstream.calls
    assert shown(metadata) == case["passed"]


@pytest.mark.parametrize("case", load_cases("timeouts", "cases"))
def test_timeout(case: Case) -> None:
    headers = {"grpc-timeout": case["text"]} if "text" in case else {}
    limit_s = case.get("limit", 100_000)
    if "seconds" in case:
        assert read_timeout(headers, limit_s) == pytest.approx(case["seconds"], rel=1e-12)
        return
    with pytest.raises(GatewayError) as caught:
        read_timeout(headers, limit_s)
    assert [one.field for one in caught.value.violations] == ["header grpc-timeout"]
