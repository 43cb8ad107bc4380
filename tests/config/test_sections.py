"""Sections of the configuration: addresses, metadata names, defaults."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Address, Config
from gateway.config.sections import Api, DecisionLog, Rest, Upstream, parse_address
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


def test_the_decision_log_has_the_keys_of_its_sinks() -> None:
    section = DecisionLog()
    assert (section.type, str(section.path), section.durability) == (
        SinkName.STDOUT,
        "decisions.jsonl",
        "process",
    )
