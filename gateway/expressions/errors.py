"""What goes wrong with expressions, when they are loaded and when they are evaluated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression is refused, and where in its text; line and column count from 1."""

    line: int
    column: int
    message: str


class ExpressionError(ValueError):
    """An expression does not compile."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class EvaluationError(Exception):
    """An expression gave an error instead of a value; the text holds no secret."""


class TooManyTurnsError(EvaluationError):
    """Too many turns of loops would have to be evaluated one by one."""


DYNAMIC = (
    "a function cannot be called in a loop over values whose type is only known at evaluation; "
    "convert them first, as list.map(value, string(value))"
)
"""What is wrong with a call that would need values of loops which may be of any type."""


class CostLimitError(ValueError):
    """An expression costs too much to be evaluated; the message says why."""
