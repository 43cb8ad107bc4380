"""CEL expressions. They are type-checked when they are loaded, and they fail closed.

The engine returns evaluation errors as values that are truthy in Python. So a
condition counts as true only if its value is exactly `True`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gateway.expressions.cel_types import is_failure, take
from gateway.expressions.conditions import to_test
from gateway.expressions.errors import EvaluationError
from gateway.expressions.syntax import names_in
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from cel_expr_python import cel

    from gateway.expressions.activation import Activation
    from gateway.expressions.calls import ExternalCall
    from gateway.expressions.conditions import Test
    from gateway.expressions.python_code import PythonCode

_NOISE = re.compile(r"^(?:INVALID_ARGUMENT|CANCELLED): | \(in container '[^']*'\)| \[[A-Z_]+\]$")


class Executable:
    """An expression that the engine evaluates after the gateway has computed the function calls.

    Attributes:
        calls: the function calls of the expression, in the order of computation.
        code: the Python code of a condition; None if the engine is needed.
        test: the function that evaluates the expression without the engine; None if the engine is needed.
    """

    __slots__ = ("_compiled", "_may_hold_null", "calls", "code", "test")

    def __init__(
        self,
        compiled: cel.Expression,
        calls: tuple[ExternalCall, ...],
        code: PythonCode | None = None,
        *,
        may_hold_null: bool = True,
    ) -> None:
        self._compiled = compiled
        self._may_hold_null = may_hold_null
        self.calls = calls
        self.code = code
        self.test: Test | None = None if code is None else to_test(code)

    def evaluate(self, activation: Activation) -> Any:
        """Return the value of the expression.

        Raises:
            EvaluationError: the expression has no value.
        """
        try:
            engine = activation.prepare(self.calls)
            return read_value(self._compiled, engine, may_hold_null=self._may_hold_null)
        except EvaluationError as error:
            raise EvaluationError(activation.explain(str(error), self.calls)) from error

    def is_true(self, activation: Activation) -> bool:
        """Return whether the expression, which has to be a condition, is true.

        Raises:
            EvaluationError: the condition is neither true nor false.
        """
        if self.test is not None:
            activation.compute(self.calls)
            is_true = self.test(activation)
            if is_true is not None:
                return is_true
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
        )  # the value of an error is the error message


class Expression:
    """A compiled expression.

    Attributes:
        text: the text as its author wrote it.
        returns: the type that the type checker found.
        reads: the names of the variables that the expression reads. A parameter is named `params.<name>`.
        checked: the checked form, a cel.expr.CheckedExpr. It does not bind the policy's variables.
        executable: the executable form of the expression. It binds the policy's variables.
        steps: the cost in steps (see cost_estimator.py).
    """

    __slots__ = ("_constant", "checked", "executable", "reads", "returns", "steps", "text")

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
        self._constant: str | None = None  # the value, if it is a text and equal in all evaluations

    @property
    def is_constant(self) -> bool:
        """Whether the expression has been evaluated, and its value is a text and equal in all evaluations."""
        return self._constant is not None

    def evaluate(self, activation: Activation) -> Any:
        """Return the value of the expression.

        Raises:
            EvaluationError: the expression has no value.
        """
        if self._constant is not None:
            return self._constant
        value = self.executable.evaluate(activation)
        if not self.reads and not self.executable.calls and isinstance(value, str):
            self._constant = value
        return value

    def is_true(self, activation: Activation) -> bool:
        """Return whether the expression, which has to be a condition, is true.

        Raises:
            EvaluationError: the condition is neither true nor false.
        """
        return self.executable.is_true(activation)


def read_value(compiled: cel.Expression, activation: cel.Activation, *, may_hold_null: bool) -> Any:
    """Return the value of a compiled expression.

    Args:
        compiled: the compiled expression.
        activation: the activation of the engine.
        may_hold_null: whether the value may be null, or may be a list or map that contains a null.

    Raises:
        EvaluationError: the expression has no value.
    """
    try:
        result = compiled.eval(activation)
    except RuntimeError as error:
        raise _raised(error) from error
    if is_failure(result.type()):
        raise EvaluationError(redact_text(str(result.value())))
    return take(result) if may_hold_null else result.plain_value()


def reads_of(checked: Any, container: str) -> frozenset[str]:
    """Return the names of the variables that an expression reads, without the prefix `container`.

    Args:
        checked: the expression, a cel.expr.CheckedExpr.
        container: the prefix that is removed from the names, without the dot.
    """
    return frozenset(name.removeprefix(f"{container}.") for name in names_in(checked.expr))


def _raised(error: RuntimeError) -> EvaluationError:
    """Return the EvaluationError for an exception of the engine.

    The engine raises an exception only when the limit on loop iterations is exceeded. The
    engine returns all other errors as values.
    """
    return EvaluationError(redact_text(without_noise(str(error))))


def without_noise(text: str) -> str:
    """Return an error message of the engine without the engine's error codes."""
    return _NOISE.sub("", text)
