"""Conditions of bindings: what cannot be evaluated counts as a violation."""

from __future__ import annotations

import pytest

from tests.policy.conftest import Decide


@pytest.mark.parametrize(("name", "is_allowed"), [("prod", False), ("dev", True)])
def test_a_condition_decides_whether_a_binding_applies(
    evaluate: Decide, name: str, *, is_allowed: bool
) -> None:
    decision = evaluate("false", binding={"when": "request.name == 'prod'"}, name=name)
    assert decision.is_allowed is is_allowed


def test_a_condition_that_cannot_be_evaluated_denies(evaluate: Decide) -> None:
    decision = evaluate("true", binding={"when": "request.labels['x'] == 'y'"})
    (violation,) = decision.violations
    assert not decision.is_allowed
    assert (violation.rule, violation.is_error) == ("when", True)
    assert "cannot be evaluated" in violation.message
