from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.object_storage import LinkError
from gateway.object_storage.signature import parse_signature
from tests.object_storage.strategies import SIGNATURE, signatures

PARTS = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "YCAJEexample%2F20260101%2Fru-central1%2Fs3%2Faws4_request",
    "X-Amz-Date": "20260101T000000Z",
    "X-Amz-Expires": "3600",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": SIGNATURE,
}
GOOD = "&".join(f"{name}={value}" for name, value in PARTS.items())


def test_tells_when_the_signature_ends() -> None:
    assert parse_signature(GOOD) == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_the_end_is_in_universal_time() -> None:
    assert parse_signature(GOOD).utcoffset() == timedelta(0)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_required_and_named_when_it_lacks(name: str) -> None:
    query = "&".join(f"{one}={value}" for one, value in PARTS.items() if one != name)
    with pytest.raises(LinkError, match=f"the signature lacks {name}; copy"):
        parse_signature(query)


@pytest.mark.parametrize("name", PARTS)
def test_no_part_stands_twice(name: str) -> None:
    with pytest.raises(LinkError, match=f"has {name} twice"):
        parse_signature(f"{GOOD}&{name}={PARTS[name]}")


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_its_own_case(name: str) -> None:
    with pytest.raises(LinkError, match=f"has {name} in another case"):
        parse_signature(GOOD.replace(name, name.lower()))


@pytest.mark.parametrize(
    ("expires_s", "is_read"), [(0, False), (1, True), (2_592_000, True), (2_592_001, False)]
)
def test_a_signature_lasts_at_most_thirty_days(expires_s: int, *, is_read: bool) -> None:
    query = GOOD.replace("=3600", f"={expires_s}")
    if is_read:
        assert parse_signature(query) == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=expires_s)
    else:
        with pytest.raises(LinkError, match="X-Amz-Expires"):
            parse_signature(query)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(signatures())
def test_parts_stand_in_any_order(signature: tuple[str, datetime]) -> None:
    query, expires = signature
    assert parse_signature(query) == expires


@settings(derandomize=True, deadline=None, max_examples=500)
@given(signatures(), st.data())
def test_a_signature_cut_short_is_refused_or_ends_no_later(
    signature: tuple[str, datetime], data: st.DataObject
) -> None:
    query, expires = signature
    try:
        found = parse_signature(query[: data.draw(st.integers(0, len(query) - 1))])
    except LinkError:
        return
    assert found <= expires


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.text())
def test_any_text_is_a_signature_or_refused(text: str) -> None:
    with pytest.raises(LinkError):
        parse_signature(text)
