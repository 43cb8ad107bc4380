from __future__ import annotations

import unicodedata
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.object_storage import LinkError
from gateway.object_storage.object_key import check_path, parse_key

# Escapes, whole and in parts; a letter and a mark that join; look-alikes of dots, '%' and digits.
PIECES = [
    *"a./2e%",
    *["%25", "%32", "%65", "%2e", "%D0%BE"],
    *["e%CC%81", "%EF%BC%8E", "%E2%80%A5", "%EF%BC%85", "%EF%BC%92", "%EF%BD%85"],
]


def reads(path: str) -> str | None:
    try:
        check_path(f"/{path}")
        return parse_key(path)
    except LinkError:
        return None


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a.iso", "a.iso"),
        ("some//strange//key", "some//strange//key"),
        ("folder/", "folder/"),
        ("a%20b.iso", "a b.iso"),
        ("%D0%BE.iso", "о.iso"),
        ("100%25.iso", "100%.iso"),
    ],
)
def test_a_key_is_decoded_once(encoded: str, key: str) -> None:
    check_path(encoded)
    assert parse_key(encoded) == key


@pytest.mark.parametrize("number", range(256))
def test_every_byte_is_taken_encoded_or_refused_for_a_reason(number: int) -> None:
    forbidden = number < 0x20 or number in {0x23, 0x2E, 0x2F, 0x3F, 0x5C} or number >= 0x7F
    for form in (f"a%{number:02x}", f"a%{number:02X}"):
        assert reads(form) == (None if forbidden else f"a{chr(number)}")


@pytest.mark.parametrize("encoded", ["%252e", "%25%32%65", "%252%65", "%25252e", "%2541", "%25%EF%BC%92e"])
def test_what_decodes_twice_is_refused(encoded: str) -> None:
    assert reads(encoded) is None


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.text(min_size=1))
def test_an_encoded_key_is_read_as_itself_or_refused(key: str) -> None:
    found = reads(quote(key, errors="surrogatepass"))
    assert found in {None, key}


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(PIECES), min_size=1).map("".join))
def test_a_key_that_is_read_stays_the_same_for_careless_parsers(encoded: str) -> None:
    key = reads(encoded)
    if key is not None:
        folded = unicodedata.normalize("NFKC", key)
        assert unquote(key) == key
        assert unquote(folded) == folded
        assert unicodedata.normalize("NFC", key) == key
        assert not {".", ".."} & set(folded.split("/"))
