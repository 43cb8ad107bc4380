"""headers.yaml over the wire, and timeouts.yaml."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import GatewayError
from gateway.listeners.metadata import read_timeout
from tests.conformance.peers.cases import Case, load_cases
from tests.conformance.peers.talking import ask, fields_of, request_bytes

if TYPE_CHECKING:
    from tests.wire.conftest import Wire

# What the gateway and gRPC themselves say to an upstream.
OWN = {"user-agent", "traceparent", "tracestate", "x-client-request-id", "x-client-trace-id"}


def shown(metadata: dict[str, Any]) -> dict[str, str]:
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in metadata.items()
        if name not in OWN
    }


@pytest.mark.parametrize("case", load_cases("headers", "cases"))
async def test_header(wire: Wire, case: Case) -> None:
    wired = await wire(api__pass_metadata="[foobar, test-bin]")
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
