"""The whole configuration."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import DISCOVERY_SERVICE, OWN_SERVICES, WAITING_SERVICE, Config
from gateway.config.api import Api
from gateway.config.ledger import LedgerSection
from gateway.config.policies import DecisionLog
from gateway.sinks import SinkName


def test_a_service_can_be_taken_away() -> None:
    config = Config(api=Api(services={"a.B": "baremetal", "c.D": None}))
    assert config.services == {"a.B": "baremetal"}


def test_own_services_are_served_with_what_they_need() -> None:
    needed = OWN_SERVICES[WAITING_SERVICE]
    assert set(Config().served) == {*Config().services, WAITING_SERVICE, DISCOVERY_SERVICE}
    without = Config.model_validate({"api": {"services": {needed: None}}})
    assert without.served == (DISCOVERY_SERVICE,)


def test_discovery_can_be_disabled() -> None:
    config = Config.model_validate({"discovery": {"enabled": False}})
    assert set(config.served) == {*config.services, WAITING_SERVICE}


def test_the_ids_of_what_is_served_are_the_names_of_its_upstreams() -> None:
    assert Config().own_ids == ("baremetal", "operation", "endpoint")
    upstreams = {"mine": {"address": "a:1"}, "unused": {"address": "b:1"}}
    services = {"a.B": "mine", "a.C": "mine"}
    config = Config.model_validate({"upstreams": upstreams, "api": {"services": services}})
    assert config.own_ids == ("mine", "endpoint")


def test_discovery_lists_the_address_of_the_grpc_listener() -> None:
    endpoints = Config().endpoints
    assert endpoints is not None
    own = {name for name, address in endpoints.items() if address == "127.0.0.1:8081"}
    assert own == set(Config().own_ids)
    assert endpoints["iam"] == "iam.api.cloud.yandex.net:443"
    assert Config.model_validate({"grpc": {"listen": "0.0.0.0:8081"}}).endpoints is None


@pytest.mark.parametrize(
    ("given", "has_ledger", "sink"),
    [
        (None, True, SinkName.NONE),
        (None, False, SinkName.STDOUT),
        (SinkName.FILE, True, SinkName.FILE),
        (SinkName.STDOUT, True, SinkName.STDOUT),
        (SinkName.NONE, False, SinkName.NONE),
    ],
)
def test_decisions_are_on_standard_output_if_there_is_no_ledger(
    given: SinkName | None, sink: SinkName, *, has_ledger: bool
) -> None:
    config = Config(decision_log=DecisionLog(type=given), ledger=LedgerSection(enabled=has_ledger))
    assert config.sink is sink


STATIC = {"type": "static", "token": "t"}
BAREMETAL = "yandex.cloud.baremetal.v1alpha.ImageService"
OPERATION = "yandex.cloud.operation.OperationService"


@pytest.mark.parametrize(
    ("shared", "of_operation", "served", "own", "followed"),
    [
        (None, None, True, set(), set()),
        (STATIC, None, True, {BAREMETAL, OPERATION}, {BAREMETAL, OPERATION}),
        (STATIC, {"type": "passthrough"}, True, {BAREMETAL}, set()),
        (None, STATIC, True, {OPERATION}, {OPERATION}),
        (STATIC, None, False, {BAREMETAL}, {BAREMETAL}),
    ],
)
def test_who_has_credentials_of_the_gateways_own(
    shared: Any, of_operation: Any, own: set[str], followed: set[str], *, served: bool
) -> None:
    sections: dict[str, Any] = {"credentials": shared} if shared else {}
    upstreams = {name: {"address": f"{name}:1"} for name in ("baremetal", "operation")}
    if of_operation:
        upstreams["operation"]["credentials"] = of_operation
    services = {BAREMETAL: "baremetal", OPERATION: "operation" if served else None}
    config = Config.model_validate({**sections, "upstreams": upstreams, "api": {"services": services}})
    assert config.services_with_own_credentials == own
    assert config.services_to_follow == followed
    assert config.has_own_credentials("baremetal") is (BAREMETAL in own)
    assert config.all_have_own_credentials is (own == set(config.services))
