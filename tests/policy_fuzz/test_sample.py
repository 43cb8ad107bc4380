"""Some pairs of what `python -m tests.policy_fuzz` evaluates, the same each time."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.expressions import EvaluationError, Expression
from gateway.policy import decider
from gateway.schema import Schema
from tests.policy_fuzz.__main__ import LEAST_SHARE, OUTCOMES
from tests.policy_fuzz.run import run
from tests.policy_fuzz.shrinking import describe, shrink
from tests.rounds import rounds

SEED = 20260101
PAIRS = rounds(1000, long=2000)


def test_the_gateway_decides_as_the_oracle_does(schema: Schema) -> None:
    report = run(schema, SEED, PAIRS)
    assert [describe(shrink(schema, one)) for one in report.differences] == []
    assert report.pairs >= PAIRS
    assert report.refused < report.bundles / 10
    assert min(map(report.share, OUTCOMES)) >= LEAST_SHARE
    assert report.second > PAIRS


def _meet_everything(*_: Any, **__: Any) -> bool:
    return True


def _is_true_or_fails(expression: Expression, activation: Any) -> bool:
    try:
        return expression.evaluate(activation) is True
    except EvaluationError:
        return True


def _is_surely_true(expression: Expression, activation: Any) -> bool:
    try:
        return expression.evaluate(activation) is True
    except EvaluationError:
        return False


FAULTS = [
    pytest.param(decider, "_meets_all", _meet_everything, id="the fast checks are always met"),
    pytest.param(Expression, "is_true", _is_true_or_fails, id="what fails counts as met"),
    pytest.param(Expression, "is_true", _is_surely_true, id="what fails counts as false"),
]


@pytest.mark.parametrize(("owner", "name", "fault"), FAULTS)
def test_a_fault_is_noticed(
    schema: Schema, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, fault: Any
) -> None:
    monkeypatch.setattr(owner, name, fault)
    differences = run(schema, SEED, PAIRS).differences
    assert [one.what for one in differences] == ["the decision"]
    smallest = shrink(schema, differences[0])
    assert len(smallest.bindings) == 1
    assert len(describe(smallest)) < 1200
