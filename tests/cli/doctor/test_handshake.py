"""The steps of a connection. Each fault of an upstream is provoked in test_upstreams.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.doctor.handshake import Endpoint, HandshakeError, describe_certificate, shake_hands
from gateway.config import Upstream
from gateway.emulator import Emulator
from tests.cli.doctor.examining import NOBODY, serve_grpc
from tests.tls.authority import Authority


def endpoint(address: str, **keys: object) -> Endpoint:
    section = Upstream.model_validate({"address": address, **keys})
    return Endpoint(name="a", section=section, step_s=20.0, environment={})


def test_an_endpoint_of_ipv6() -> None:
    one = endpoint("[::1]:443", server_name="api.example")
    assert (one.host, one.port, one.server_name, one.key) == ("::1", 443, "api.example", "upstreams.a")


async def test_plaintext_has_no_certificate(emulator: Emulator) -> None:
    assert await shake_hands(endpoint(emulator.address, tls=False)) is None
    assert describe_certificate(None) == ""


async def test_the_certificate_of_the_upstream(tmp_path: Path) -> None:
    authority = Authority()
    issued = authority.issue()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.pem)
    async with serve_grpc(issued) as address:
        found = await shake_hands(endpoint(address, root_certificates=roots))
    assert found == issued.certificate
    assert describe_certificate(found).startswith(", certificate valid until 20")


async def test_an_error_has_a_fix() -> None:
    with pytest.raises(HandshakeError) as caught:
        await shake_hands(endpoint(NOBODY))
    assert (caught.value.message, caught.value.fix) == (
        f"cannot connect to {NOBODY}: Connection refused",
        "start the upstream, or correct upstreams.a.address",
    )
