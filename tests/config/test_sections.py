"""The whole configuration."""

from __future__ import annotations

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
