"""The form of tests in a bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.suite_model import CallerFacts, Case, Expectation, Suite

CASE: dict[str, Any] = {"name": "n", "method": "a.B/C", "request": {}, "expect": {"decision": "allow"}}
SUITE: dict[str, Any] = {
    "apiVersion": "baremetal-gateway/v1",
    "kind": "Tests",
    "metadata": {"name": "s"},
    "cases": [CASE],
}


def test_defaults() -> None:
    case = Case.model_validate(CASE)
    assert case.now == datetime(2026, 1, 1, tzinfo=UTC)
    assert case.caller == CallerFacts()
    assert case.expect == Expectation(decision="allow")
    assert case.expect.mutations is None


def test_a_suite_has_cases() -> None:
    assert len(Suite.model_validate(SUITE).cases) == 1
    with pytest.raises(ValidationError):
        Suite.model_validate(SUITE | {"cases": []})


@pytest.mark.parametrize(
    "change", [{"nmae": "x"}, {"expect": {"decision": "maybe"}}, {"now": "yesterday"}, {"request": []}]
)
def test_a_case_with_a_mistake_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Case.model_validate(CASE | change)
