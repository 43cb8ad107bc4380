"""Evaluates the conditions of bindings, and creates violations for expressions that cannot be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.expressions import EvaluationError
from gateway.policy.decision import Violation
from gateway.policy.model import CONDITION
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from gateway.expressions import Activation
    from gateway.policy.program import CompiledBinding


def read_condition(binding: CompiledBinding, activation: Activation) -> tuple[bool, Violation | None]:
    """Return two values: whether a binding applies, and a violation or None.

    If the condition of the binding cannot be evaluated, the binding applies and the violation reports the
    error. The second value is None if the binding has no condition, or if the condition can be evaluated.
    """
    if binding.when is None:
        return True, None
    try:
        return binding.when.is_true(activation), None
    except EvaluationError as error:
        return True, fail(binding, CONDITION, "high", "", f"{CONDITION} cannot be evaluated: {error}")


def fail(binding: CompiledBinding, rule: str, severity: str, field: str, message: str) -> Violation:
    """Return the violation for an expression that cannot be evaluated."""
    return Violation(
        policy=binding.policy,
        rule=rule,
        binding=binding.name,
        action=binding.action,
        severity=severity,
        field=field,
        value="",
        message=redact_text(message),
        is_error=True,
    )
