"""The sections of the listeners."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Config, Grpc


def test_listeners_listen_on_loopback_by_default() -> None:
    config = Config()
    shown = [str(one.listen) for one in (config.rest, config.grpc, config.admin)]
    assert shown == ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:9090"]


def test_pings_and_reflection_of_the_grpc_listener() -> None:
    section = Config().grpc
    assert (section.keepalive_s, section.keepalive_timeout_s, section.min_ping_interval_s) == (60, 10, 10)
    assert (section.idle_pings, section.reflection) == (True, False)
    with pytest.raises(ValidationError):
        Grpc(min_ping_interval_s=-1)
