"""The key of a caller: kind and name, or the address."""

from __future__ import annotations

import pytest

from gateway.call import Caller
from gateway.limits.caller_key import caller_key


@pytest.mark.parametrize(
    ("caller", "key"),
    [
        (Caller(kind="token", id="ci", address="192.0.2.1"), "token:ci"),
        (Caller(kind="jwt", id="ci", address="192.0.2.1"), "jwt:ci"),
        (Caller(address="192.0.2.1"), "address:192.0.2.1"),
        (Caller(address="::ffff:192.0.2.1"), "address:192.0.2.1"),
        (Caller(address="2001:db8:1:2:3:4:5:6"), "address:2001:db8:1:2::/64"),
        (Caller(address="2001:db8:1:2::9"), "address:2001:db8:1:2::/64"),
        (Caller(), "address:"),
    ],
    ids=["token", "jwt", "IPv4", "mapped IPv4", "IPv6", "the same network", "unknown"],
)
def test_the_key_of_a_caller(caller: Caller, key: str) -> None:
    assert caller_key(caller) == key


def test_a_long_name_has_a_short_key_of_its_own() -> None:
    keys = {caller_key(Caller(kind="jwt", id="x" * 10_000 + end)) for end in ("a", "b", "\ud800")}
    assert len(keys) == 3
    assert all(len(key) < 100 for key in keys)


def test_an_address_is_no_name() -> None:
    assert caller_key(Caller(kind="address", id="192.0.2.1")) == caller_key(Caller(address="192.0.2.1"))
