"""The document model of tests: its defaults, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.suite_model import CallerFacts, Case, Expectation, Suite

CASE: dict[str, Any] = {"name": "c", "method": "s/M", "request": {}, "expect": {"decision": "allow"}}
SUITE: dict[str, Any] = {
    "apiVersion": "baremetal-gateway/v1",
    "kind": "Tests",
    "metadata": {"name": "t"},
    "cases": [CASE],
}


def test_a_case_has_a_fixed_time_and_an_unknown_caller() -> None:
    (case,) = Suite.model_validate(SUITE).cases
    assert case.now == datetime(2026, 1, 1, tzinfo=UTC)
    assert case.caller == CallerFacts(id="", kind="none", groups=[], address="", claims={})


def test_mutations_that_are_left_out_are_not_compared() -> None:
    assert Expectation.model_validate({"decision": "deny"}).mutations is None
    assert Expectation.model_validate({"decision": "deny", "mutations": []}).mutations == []


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "a decision of another name": (CASE | {"expect": {"decision": "refuse"}}, "expect.decision"),
    "no expectation": ({key: CASE[key] for key in ("name", "method", "request")}, "expect"),
    "another key": (CASE | {"params": {}}, "params"),
    "a time without a zone": (CASE | {"now": "2026-01-01T00:00:00"}, "now"),
    "a violation without a rule": (
        CASE | {"expect": {"decision": "deny", "violations": [{"field": "uri"}]}},
        "expect.violations.0.rule",
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_case_is_refused(name: str) -> None:
    case, key = FAULTY[name]
    with pytest.raises(ValidationError) as caught:
        Case.model_validate(case)
    assert [".".join(map(str, one["loc"])) for one in caught.value.errors()] == [key]


def test_a_suite_has_cases() -> None:
    with pytest.raises(ValidationError, match="cases"):
        Suite.model_validate(SUITE | {"cases": []})
