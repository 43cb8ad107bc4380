"""The headers of proxies: https://www.rfc-editor.org/rfc/rfc7239, and X-Forwarded-For."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.forwarded import MAX_HOPS, parse_forwarded, parse_forwarded_for


@pytest.mark.parametrize(
    ("values", "hops"),
    [
        (["192.0.2.43"], ["192.0.2.43"]),
        (["192.0.2.43, 198.51.100.17"], ["192.0.2.43", "198.51.100.17"]),
        (["192.0.2.43", "198.51.100.17,2001:db8::1"], ["192.0.2.43", "198.51.100.17", "2001:db8::1"]),
        (["192.0.2.43:4711, [2001:DB8::1]:80, [::1]"], ["192.0.2.43", "2001:db8::1", "::1"]),
        (["unknown, _hidden.1, 192.0.2.1"], [None, None, "192.0.2.1"]),
    ],
)
def test_x_forwarded_for(values: list[str], hops: list[str | None]) -> None:
    assert [*parse_forwarded_for(values)] == hops[::-1]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "192.0.2.1,",
        ",192.0.2.1",
        "192.0.2.256",
        "192.0.2.1 198.51.100.1",
        "[::1",
        "1.2.3.4:x",
        "fe80::1%a",
    ],
)
def test_x_forwarded_for_that_is_malformed(value: str) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        list(parse_forwarded_for([value]))


@pytest.mark.parametrize(
    ("values", "hops"),
    [
        (['for="_gazonk"'], [None]),
        (['For="[2001:db8:cafe::17]:4711"'], ["2001:db8:cafe::17"]),
        (["for=192.0.2.60;proto=http;by=203.0.113.43"], ["192.0.2.60"]),
        (["for=192.0.2.43, for=198.51.100.17"], ["192.0.2.43", "198.51.100.17"]),
        (["for=192.0.2.43", "for=198.51.100.17"], ["192.0.2.43", "198.51.100.17"]),
        (["for=unknown;host=a,for=192.0.2.1"], [None, "192.0.2.1"]),
        (["proto=https"], [None]),
        (['for="192.0.2.43:47011"'], ["192.0.2.43"]),
        (["for=192.0.2.43:47011, for=[::1]:80"], ["192.0.2.43", "::1"]),
        (['host="a,for=10.0.0.1;\\"b";for=192.0.2.1'], ["192.0.2.1"]),
        (['for="192\\.0.2.1"'], ["192.0.2.1"]),
    ],
)
def test_forwarded(values: list[str], hops: list[str | None]) -> None:
    assert [*parse_forwarded(values)] == hops[::-1]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "for",
        "for=",
        'for="192.0.2.1',
        "for=192.0.2.1;",
        "for=192.0.2.1,",
        "for=192.0.2.1;for=192.0.2.2",
        "for=192.0.2.1 by=x",
        "192.0.2.1",
        "for=a.b",
        'for=""',
    ],
)
def test_forwarded_that_is_malformed(value: str) -> None:
    with pytest.raises(ValueError, match=r"is malformed|not an IP address"):
        list(parse_forwarded([value]))


def test_the_number_of_hops_is_bounded() -> None:
    with pytest.raises(ValueError, match="too many hops"):
        list(parse_forwarded_for(["10.0.0.1," * MAX_HOPS + "10.0.0.1"]))
    with pytest.raises(ValueError, match="too many hops"):
        parse_forwarded(["for=10.0.0.1," * MAX_HOPS + "for=10.0.0.1"])


def test_what_anyone_may_have_written_is_not_parsed() -> None:
    hops = parse_forwarded_for(["garbage, 192.0.2.1"])
    assert next(hops) == "192.0.2.1"


@given(st.text(st.sampled_from('for=;,"\\[]:._-0192ab \t'), max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_forwarded, parse_forwarded_for):
        try:
            list(parse([text]))
        except ValueError:
            continue
