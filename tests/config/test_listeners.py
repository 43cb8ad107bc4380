"""The sections of the listeners."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Config, Grpc, load_config
from gateway.faults import FaultsError


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


def test_calls_are_tried_by_local_people_by_default() -> None:
    assert Config().admin.try_calls == "local"


def test_calls_cannot_be_tried_by_everybody_if_certificates_are_required() -> None:
    tls = "{certificate: c, key: k, client_ca: a}"
    environment = {"GATEWAY__REST__TLS": tls, "GATEWAY__ADMIN__TRY_CALLS": "always"}
    with pytest.raises(FaultsError) as caught:
        load_config(None, environment)
    (fault,) = map(str, caught.value.faults)
    assert fault.startswith("GATEWAY__ADMIN__TRY_CALLS: admin.try_calls: has no effect")
    assert load_config(None, environment | {"GATEWAY__ADMIN__TRY_CALLS": "local"}).rest.tls is not None
