"""Sections of the configuration: addresses, metadata names, defaults."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Address, Config
from gateway.config.sections import Api, DecisionLog, LedgerSection, Rest, Upstream, parse_address
from gateway.sinks import SinkName


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("[::1]:0", "::1", 0),
        (":8080", "", 8080),
        ("host:65535", "host", 65535),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "host", "host:65536", "::1:80", "a b:1", "host:-1", 8080, None])
def test_what_is_no_address(text: object) -> None:
    with pytest.raises(ValueError, match="an address is host:port"):
        parse_address(text)


@pytest.mark.parametrize("address", ["host:0", ":80", "host"])
def test_an_upstream_needs_host_and_port(address: str) -> None:
    with pytest.raises(ValidationError, match="host:port"):
        Upstream(address=address)


@pytest.mark.parametrize("name", ["grpc-timeout", "traceparent", "x-request-id", "X-Team", "a_b", "host"])
def test_metadata_that_cannot_be_passed(name: str) -> None:
    with pytest.raises(ValidationError):
        Api(pass_metadata=(name,))


def test_metadata_that_can() -> None:
    assert Api(pass_metadata=("x-team", "x-blob-bin")).pass_metadata == ("x-team", "x-blob-bin")


def test_sections_are_closed_and_frozen() -> None:
    with pytest.raises(ValidationError):
        Rest(lisen="x")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Config().rest.listen = Address(host="", port=1)  # type: ignore[misc]


def test_a_service_can_be_taken_away() -> None:
    config = Config(api=Api(services={"a.B": "baremetal", "c.D": None}))
    assert config.services == {"a.B": "baremetal"}


def test_own_services_are_served_with_what_they_need() -> None:
    own, needed = "baremetal_gateway.v1.Operations", "yandex.cloud.operation.OperationService"
    assert set(Config().served) == {*Config().services, own}
    without = Config.model_validate({"api": {"services": {needed: None}}})
    assert own not in without.served


def test_the_decision_log_has_the_keys_of_its_sinks() -> None:
    section = DecisionLog()
    assert (section.type, str(section.path), section.durability) == (
        None,
        "decisions.jsonl",
        "process",
    )


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


def test_the_ledger_s_durations_and_limits() -> None:
    section = LedgerSection()
    assert (section.enabled, section.url, section.durability) == (True, "sqlite:///ledger.db", "power")
    assert (section.when_full, section.capacity, section.lease_s) == ("drop", 4096, 15)
    assert (section.retention, section.idempotency_retention, section.resend_within) == (
        400 * 86400,
        86400,
        3600,
    )


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///ledger.db",
        "sqlite:////var/lib/baremetal-gateway/ledger.db",
        "postgresql://gateway:hunter2@db.example:6432/ledger",
        "postgres://gateway@db.example/ledger",
        "postgresql://gateway:p%2Fw%40@[::1]:5432/ledger?sslmode=verify-full",
        "postgresql:///ledger?host=/run/postgresql",
    ],
)
def test_databases_of_the_ledger(url: str) -> None:
    assert LedgerSection(url=url).url == url


def test_what_is_shown_of_a_configuration_holds_no_password() -> None:
    config = Config(ledger=LedgerSection(url="postgresql://gateway:hunter2@db.example/ledger"))
    assert "hunter2" not in f"{config!r} {config} {config.ledger!r} {config.ledger}"
