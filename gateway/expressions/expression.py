"""CEL expressions that are checked when loaded and fail closed when evaluated.

The engine returns evaluation errors as values that are truthy in Python. So a result
counts only when it has the type that was checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gateway.expressions.cel_types import is_failure, take
from gateway.expressions.errors import EvaluationError
from gateway.expressions.syntax import names_in
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from cel_expr_python import cel

    from gateway.expressions.activation import Activation
    from gateway.expressions.calls import ExternalCall

_NOISE = re.compile(r"^(?:INVALID_ARGUMENT|CANCELLED): | \(in container '[^']*'\)| \[[A-Z_]+\]$")


class Executable:
    """An expression that the engine evaluates after the gateway has computed its calls.

    Attributes:
        calls: the calls in the order in which they are computed.
    """

    __slots__ = ("_compiled", "_may_hold_null", "calls")

    def __init__(
        self, compiled: cel.Expression, calls: tuple[ExternalCall, ...], *, may_hold_null: bool = True
    ) -> None:
        self._compiled = compiled
        self._may_hold_null = may_hold_null
        self.calls = calls

    def evaluate(self, activation: Activation) -> Any:
        """Return the value.

        Raises:
            EvaluationError: it has no value.
        """
        try:
            engine = activation.prepare(self.calls)
            return read_value(self._compiled, engine, may_hold_null=self._may_hold_null)
        except EvaluationError as error:
            raise EvaluationError(activation.explain(str(error), self.calls)) from error

    def is_true(self, activation: Activation) -> bool:
        """Evaluate a condition.

        Raises:
            EvaluationError: it is neither true nor false.
        """
        try:
            value = self._compiled.eval(activation.prepare(self.calls)).value()
        except RuntimeError as error:
            raise _raised(error) from error
        if value is True:
            return True
        if value is False:
            return False
        raise EvaluationError(
            activation.explain(redact_text(str(value)), self.calls)
        )  # an error's value is its text


class Expression:
    """A compiled expression.

    Attributes:
        text: as it was written.
        returns: the type that the checker found.
        reads: names of its variables, and of parameters as `params.<name>`.
        checked: its checked form, a cel.expr.CheckedExpr, in which variables of the policy are names.
        executable: what is evaluated, with the policy's variables bound inside of it.
        steps: its cost, see cost_estimator.py.
    """

    __slots__ = ("checked", "executable", "reads", "returns", "steps", "text")

    def __init__(
        self,
        text: str,
        executable: Executable,
        returns: cel.Type,
        checked: Any,
        reads: frozenset[str],
        steps: int,
    ) -> None:
        self.text = text
        self.returns = returns
        self.reads = reads
        self.checked = checked
        self.executable = executable
        self.steps = steps

    def evaluate(self, activation: Activation) -> Any:
        """Return the value.

        Raises:
            EvaluationError: it has no value.
        """
        return self.executable.evaluate(activation)

    def is_true(self, activation: Activation) -> bool:
        """Evaluate a condition.

        Raises:
            EvaluationError: it is neither true nor false.
        """
        return self.executable.is_true(activation)


def read_value(compiled: cel.Expression, activation: cel.Activation, *, may_hold_null: bool) -> Any:
    """Return the value of a compiled expression.

    Args:
        compiled: the expression.
        activation: the activation to evaluate it in.
        may_hold_null: the value may be null, or a list or map with a null in it.

    Raises:
        EvaluationError: it has no value.
    """
    try:
        result = compiled.eval(activation)
    except RuntimeError as error:
        raise _raised(error) from error
    if is_failure(result.type()):
        raise EvaluationError(redact_text(str(result.value())))
    return take(result) if may_hold_null else result.plain_value()


def reads_of(checked: Any, container: str) -> frozenset[str]:
    """Return the names that an expression refers to, as its author writes them."""
    return frozenset(name.removeprefix(f"{container}.") for name in names_in(checked.expr))


def _raised(error: RuntimeError) -> EvaluationError:
    """Return the result of an evaluation; errors are returned, except a used-up budget, which is raised."""
    return EvaluationError(redact_text(without_noise(str(error))))


def without_noise(text: str) -> str:
    """Return a message of the engine without its codes."""
    return _NOISE.sub("", text)
