"""The errors of calls for which the ledger cannot be written."""

from __future__ import annotations

from gateway.errors import Code
from gateway.ledger.refusals import LEDGER_UNAVAILABLE, commit_unknown, ledger_unavailable


def test_only_a_call_of_which_nothing_was_forwarded_is_unavailable() -> None:
    error = ledger_unavailable()
    assert (error.code, error.reason, error.may_have_acted) == (Code.UNAVAILABLE, LEDGER_UNAVAILABLE, False)


def test_an_uncertain_commit_is_a_deadline_that_has_passed() -> None:
    assert commit_unknown().code is Code.DEADLINE_EXCEEDED
