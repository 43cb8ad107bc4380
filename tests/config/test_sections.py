"""The whole configuration."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import Config
from gateway.config.api import Api
from gateway.config.ledger import LedgerSection
from gateway.config.policies import DecisionLog
from gateway.sinks import SinkName


def test_a_service_can_be_taken_away() -> None:
    config = Config(api=Api(services={"a.B": "baremetal", "c.D": None}))
    assert config.services == {"a.B": "baremetal"}


def test_own_services_are_served_with_what_they_need() -> None:
    own, needed = "baremetal_gateway.v1.Operations", "yandex.cloud.operation.OperationService"
    assert set(Config().served) == {*Config().services, own}
    without = Config.model_validate({"api": {"services": {needed: None}}})
    assert own not in without.served


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
