"""The errors of loading an expression and of evaluating an expression."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why an expression is refused, and its position in the text. Line and column start at 1."""

    line: int
    column: int
    message: str


class ExpressionError(ValueError):
    """An expression is refused when it is loaded. The error contains the reasons."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class EvaluationError(Exception):
    """The evaluation of an expression failed. The error message contains no secret."""


class TooManyTurnsError(EvaluationError):
    """Too many loop iterations would have to be evaluated one by one."""


DYNAMIC = (
    "a function cannot be called in a loop over values whose type is only known at evaluation; "
    "convert them first, as list.map(value, string(value))"
)
"""The error message about a call in a loop over values of a dynamic type."""


class CostLimitError(ValueError):
    """An expression costs too much to be evaluated. The error message contains the reason."""
