"""Names and claims of callers."""

from __future__ import annotations

import pytest

from gateway.callers.identity import CallerIdentity, CredentialError, is_claim_text, is_name


@pytest.mark.parametrize("text", ["ann", "ci-1", "Анна", "a b", "x" * 512])
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "a\nb", "a\0", "\ud800", "a\u202eb", "x" * 513])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_a_claim_may_have_lines_but_nothing_that_a_database_refuses() -> None:
    assert is_claim_text("a\nb")
    assert is_claim_text("")
    assert not any(map(is_claim_text, ["a\0", "\ud800", "x" * 2049]))


def test_an_identity_has_no_groups_and_claims_by_default() -> None:
    identity = CallerIdentity(kind="jwt", id="ann")
    assert (identity.groups, dict(identity.claims)) == ((), {})


def test_the_error_says_what_is_wrong() -> None:
    error = CredentialError("EXPIRED", "has expired")
    assert (error.problem, error.text, str(error)) == ("EXPIRED", "has expired", "EXPIRED: has expired")
