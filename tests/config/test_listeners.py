"""The sections of the listeners."""

from __future__ import annotations

from gateway.config import Config


def test_listeners_listen_on_loopback_by_default() -> None:
    config = Config()
    shown = [str(one.listen) for one in (config.rest, config.grpc, config.admin)]
    assert shown == ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:9090"]
