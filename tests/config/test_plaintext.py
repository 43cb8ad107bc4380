"""Plaintext beyond loopback is found, wherever it is configured."""

from __future__ import annotations

import pytest

from gateway.config import find_plaintext, load_config


def found(**environment: str) -> list[tuple[str, str]]:
    config = load_config(None, {f"GATEWAY__{name}": value for name, value in environment.items()})
    return list(find_plaintext(config))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_loopback_is_not(address: str) -> None:
    assert found(UPSTREAMS__A=f"{{address: '{address}', tls: false}}") == []


def test_upstreams() -> None:
    plain = found(UPSTREAMS__A="{address: 'api.example:1', tls: false}")
    assert plain == [("upstreams.a.address", "api.example:1")]
    assert found(UPSTREAMS__A="{address: 'api.example:1'}") == []
