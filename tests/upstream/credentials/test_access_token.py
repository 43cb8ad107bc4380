"""Tokens, and what may be one."""

from __future__ import annotations

import math

import pytest

from gateway.upstream.credentials.access_token import AccessToken, CredentialsError, make_token


def test_a_token_is_not_shown() -> None:
    token = AccessToken("canary", math.inf)
    assert token.authorization == "Bearer canary"
    assert "canary" not in f"{token!r} {token}"


@pytest.mark.parametrize("value", [None, "", "a b", "a\nb", "é", 7, "a" * 6145])
def test_what_cannot_be_sent_is_no_token(value: object) -> None:
    with pytest.raises(CredentialsError, match="iam returned no token") as caught:
        make_token(value, 0.0, "iam")
    assert not value or str(value) not in str(caught.value).replace("iam", "")


def test_a_received_token_is_kept_with_its_expiry() -> None:
    token = make_token("t1.x", 5.0, "iam")
    assert (token.value, token.expires_at) == ("t1.x", 5.0)
