"""The credentials that callers present."""

from __future__ import annotations

import hashlib

import pytest

from gateway.callers.credentials import MAX_TOKEN, BearerToken, PresentedCredentials, parse_bearer
from gateway.callers.identity import CredentialError
from tests.callers.making import encode_part, sign


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER   abc", "Bearer abc "])
def test_the_scheme_has_any_case(value: str) -> None:
    bearer = parse_bearer(value)
    assert (bearer.text, bearer.digest) == ("abc", hashlib.sha256(b"abc").digest())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "abc",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer a b",
        "Bearer\tabc",
        "Bearer é",
        "Bearer \ud800",
        "Bearer a\0",
    ],
)
def test_other_values_are_malformed(value: str) -> None:
    with pytest.raises(CredentialError) as caught:
        parse_bearer(value)
    assert caught.value.problem == "MALFORMED"


@pytest.mark.parametrize("size", [MAX_TOKEN + 1, 1024 * 1024])
def test_a_long_token_is_refused_early(size: int) -> None:
    with pytest.raises(CredentialError) as caught:
        parse_bearer("Bearer " + "a" * size)
    assert caught.value.problem == "TOO_LONG"
    assert parse_bearer("Bearer " + "a" * MAX_TOKEN).text


def test_a_jws_is_recognized() -> None:
    header = BearerToken(sign()).jws_header
    assert header is not None
    assert header["kid"] == "k1"


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        f"{encode_part([1])}.b.c",
        f"{encode_part(b'{')}.b.c",
        f"{encode_part(b'[' * 3000)}.b.c",
        f"{encode_part({})}=.b.c",
        f"{encode_part({})}.b+.c",
        ".b.c",
        "..",
    ],
)
def test_other_tokens_are_not(text: str) -> None:
    assert BearerToken(text).jws_header is None


def test_the_header_is_parsed_once_and_when_it_is_needed() -> None:
    given = PresentedCredentials("192.0.2.1", None, "Bearer abc")
    assert given.bearer is given.bearer
    with pytest.raises(CredentialError):
        _ = PresentedCredentials("192.0.2.1", None, None).bearer


def test_nothing_shows_the_token() -> None:
    given = PresentedCredentials("192.0.2.1", b"certificate", "Bearer canary")
    assert "canary" not in repr(given) + repr(given.bearer) + str(given.bearer)
