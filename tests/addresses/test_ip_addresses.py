"""Which hosts count as one address."""

from __future__ import annotations

import pytest

from gateway.addresses import address_key, parse_host


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(host: str, key: str) -> None:
    assert address_key(host) == key


def test_only_addresses_are_parsed() -> None:
    assert str(parse_host("192.0.2.1")) == "192.0.2.1"
    assert str(parse_host("::ffff:192.0.2.1")) == "192.0.2.1"
    assert parse_host("unix:/tmp/socket") is None
