"""CEL expressions that are checked when loaded and fail closed when evaluated.

The engine returns evaluation errors as values which look true, so a result
counts only when its type is the one that was checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage

from gateway.expressions.cel_types import is_failure
from gateway.expressions.syntax import names_in
from gateway.masking import redact_text

if TYPE_CHECKING:
    from cel_expr_python import cel

    from gateway.expressions.syntax import Node

_NOISE = re.compile(r"^(?:INVALID_ARGUMENT|CANCELLED): | \(in container '[^']*'\)| \[[A-Z_]+\]$")


class EvaluationError(Exception):
    """An expression gave an error instead of a value; the text is masked."""


class Expression:
    """A compiled expression.

    Attributes:
        text: as it was written.
        returns: the type that the checker found.
        reads: names that it refers to: variables, and parameters as `params.<name>`.
        checked: its checked form, a cel.expr.CheckedExpr, in which variables of the policy are names.
        steps: that it may take, see bounds.py.
    """

    __slots__ = ("_compiled", "checked", "reads", "returns", "steps", "text")

    def __init__(
        self,
        text: str,
        compiled: cel.Expression,
        returns: cel.Type,
        checked: Any,
        reads: frozenset[str],
        steps: int,
    ) -> None:
        self.text = text
        self.returns = returns
        self.reads = reads
        self.checked = checked
        self.steps = steps
        self._compiled = compiled

    def evaluate(self, activation: cel.Activation) -> Any:
        """Return the value.

        Raises:
            EvaluationError: there is none.
        """
        return evaluate(self._compiled, activation)

    def is_true(self, activation: cel.Activation) -> bool:
        """Evaluate a condition.

        Raises:
            EvaluationError: it is neither true nor false.
        """
        try:
            value = self._compiled.eval(activation).value()
        except RuntimeError as error:
            raise _raised(error) from error
        if value is True:
            return True
        if value is False:
            return False
        raise EvaluationError(redact_text(str(value)))  # the value of an error is its text


def evaluate(compiled: cel.Expression, activation: cel.Activation) -> Any:
    """Return the value of what the engine compiled.

    Raises:
        EvaluationError: there is none.
    """
    try:
        result = compiled.eval(activation)
    except RuntimeError as error:
        raise _raised(error) from error
    if is_failure(result.type()):
        raise EvaluationError(redact_text(str(result.value())))
    return result.plain_value()


def unpack(compiled: cel.Expression, checked_class: Any) -> Any:
    """Return the checked form of what the engine compiled."""
    return checked_class.FromString(AnyMessage.FromString(compiled.serialize()).value)


def pack(checked: Any, root: Node | None = None) -> bytes:
    """Return a checked form, or a part of it, as the engine takes it back."""
    if root is not None:
        part = type(checked)()
        part.CopyFrom(checked)
        part.expr.CopyFrom(root)
        checked = part
    packed = AnyMessage(
        type_url=f"type.googleapis.com/{checked.DESCRIPTOR.full_name}", value=checked.SerializeToString()
    )
    return packed.SerializeToString()


def reads_of(checked: Any, container: str) -> frozenset[str]:
    """Return the names that an expression refers to, as its author writes them."""
    return frozenset(name.removeprefix(f"{container}.") for name in names_in(checked.expr))


def _raised(error: RuntimeError) -> EvaluationError:
    """Return what became of an evaluation; a used-up budget is raised, other errors are returned."""
    return EvaluationError(redact_text(without_noise(str(error))))


def without_noise(text: str) -> str:
    """Return a message of the engine without its codes."""
    return _NOISE.sub("", text)
