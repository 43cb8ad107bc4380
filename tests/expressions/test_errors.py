"""Errors of expressions: what their texts say, and which of them an evaluation may catch together."""

from __future__ import annotations

import pytest

from gateway.expressions.errors import (
    CostLimitError,
    EvaluationError,
    ExpressionError,
    Problem,
    TooManyTurnsError,
)


def test_an_expression_error_names_every_problem() -> None:
    problems = [Problem(1, 2, "first"), Problem(3, 4, "second")]
    error = ExpressionError(problems)
    assert str(error) == "first; second"
    assert error.problems == problems


def test_too_many_turns_are_an_error_of_the_evaluation() -> None:
    with pytest.raises(EvaluationError):
        raise TooManyTurnsError


@pytest.mark.parametrize("kind", [CostLimitError, ExpressionError])
def test_errors_at_load_are_none_of_the_evaluation(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)
    assert not issubclass(kind, EvaluationError)
