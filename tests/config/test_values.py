"""Values of the configuration: addresses and names of metadata."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.api import Api
from gateway.config.values import is_loopback, parse_address, parse_duration, show_duration


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


@pytest.mark.parametrize("name", ["grpc-timeout", "traceparent", "x-request-id", "X-Team", "a_b", "host"])
def test_metadata_that_cannot_be_passed(name: str) -> None:
    with pytest.raises(ValidationError):
        Api(pass_metadata=(name,))


def test_metadata_that_can() -> None:
    assert Api(pass_metadata=("x-team", "x-blob-bin")).pass_metadata == ("x-team", "x-blob-bin")


def test_a_name_is_not_resolved() -> None:
    assert is_loopback("LocalHost")
    assert not is_loopback("localhost.example")
    assert not is_loopback("")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (90, "90s"),
        (60, "1m"),
        (3600, "1h"),
        (86400, "1d"),
        (34560000.0, "400d"),
        (5400.0, "90m"),
        (1.5, 1.5),
    ],
)
def test_durations_are_shown_as_they_can_be_written(seconds: float, shown: object) -> None:
    assert show_duration(seconds) == shown
    assert parse_duration(shown) == seconds
