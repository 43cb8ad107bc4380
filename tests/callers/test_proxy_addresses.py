"""The address of a caller behind proxies."""

from __future__ import annotations

import pytest

from gateway.callers.proxy_addresses import AddressFinder
from gateway.errors import Code, GatewayError

FINDER = AddressFinder(["10.0.0.0/8", "2001:db8::/32"])
XFF, FORWARDED = "x-forwarded-for", "forwarded"


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("", [], ""),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("10.0.0.1", [(XFF, "192.0.2.9")], "192.0.2.9"),
        ("::ffff:10.0.0.1", [(XFF, "::ffff:192.0.2.9")], "192.0.2.9"),
        ("2001:db8::1", [(XFF, "192.0.2.9, 10.0.0.3, 10.0.0.2")], "192.0.2.9"),
        ("10.0.0.1", [(XFF, "192.0.2.8, 192.0.2.9")], "192.0.2.9"),
        ("10.0.0.1", [(XFF, "192.0.2.8"), (XFF, "192.0.2.9, 10.0.0.2")], "192.0.2.9"),
        ("10.0.0.1", [(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ("10.0.0.1", [(XFF, "192.0.2.9, unknown, 10.0.0.2")], "10.0.0.2"),
        ("10.0.0.1", [(FORWARDED, "for=192.0.2.9, for=_lb")], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, 'for="[2001:db9::1]:80";proto=https')], "2001:db9::1"),
        ("10.0.0.1", [(FORWARDED, "for=192.0.2.9"), (XFF, "192.0.2.9")], "192.0.2.9"),
        ("10.0.0.1", [(XFF, b"x")], "10.0.0.1"),
    ],
)
def test_the_last_hop_that_is_no_trusted_proxy(
    peer: str, headers: list[tuple[str, str | bytes]], address: str
) -> None:
    assert FINDER.find(peer, headers) == address


@pytest.mark.parametrize(
    "headers",
    [[(XFF, "10.1.1.1")], [(FORWARDED, "for=10.1.1.1")], [(XFF, "garbage")], [(XFF, "a"), (FORWARDED, "b")]],
    ids=str,
)
def test_a_forged_header_of_a_peer_that_is_not_trusted_has_no_effect(headers: list[tuple[str, str]]) -> None:
    assert FINDER.find("192.0.2.1", headers) == "192.0.2.1"
    assert AddressFinder([]).find("10.0.0.1", headers) == "10.0.0.1"


def test_a_forged_first_hop_has_no_effect() -> None:
    """The caller sends a header, and the proxy appends the address of the caller."""
    assert FINDER.find("10.0.0.1", [(XFF, "10.9.9.9, 192.0.2.1")]) == "192.0.2.1"
    assert FINDER.find("10.0.0.1", [(XFF, "garbage, 192.0.2.1")]) == "192.0.2.1"


def test_a_quote_in_a_forged_hop_hides_nothing() -> None:
    with pytest.raises(GatewayError):
        FINDER.find("10.0.0.1", [(FORWARDED, 'for="10.9.9.9'), (FORWARDED, "for=192.0.2.1")])
    hidden = [(FORWARDED, 'for=10.9.9.9;x="'), (FORWARDED, 'for=192.0.2.1;y=""')]
    with pytest.raises(GatewayError):
        FINDER.find("10.0.0.1", hidden)


@pytest.mark.parametrize(
    "headers",
    [
        [(XFF, "garbage")],
        [(FORWARDED, "for=192.0.2.9;")],
        [(XFF, "192.0.2.9"), (FORWARDED, "for=10.5.5.5")],
        [(XFF, "192.0.2.9, garbage, 10.0.0.2")],
    ],
    ids=str,
)
def test_a_header_that_cannot_be_trusted_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(GatewayError) as caught:
        FINDER.find("10.0.0.1", headers)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert [one.reason for one in caught.value.violations] == ["MALFORMED"]
