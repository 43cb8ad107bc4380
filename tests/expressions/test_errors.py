"""What goes wrong with expressions."""

from __future__ import annotations

from gateway.expressions.errors import EvaluationError, ExpressionError, Problem, TooManyTurnsError


def test_all_problems_of_an_expression_are_named_together() -> None:
    error = ExpressionError([Problem(1, 2, "first"), Problem(3, 4, "second")])
    assert str(error) == "first; second"
    assert [(one.line, one.column) for one in error.problems] == [(1, 2), (3, 4)]


def test_too_many_turns_are_an_error_of_the_evaluation() -> None:
    assert issubclass(TooManyTurnsError, EvaluationError)
