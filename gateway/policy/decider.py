"""Decides on requests by a bundle.

Every binding of the method is judged and every broken rule named. What cannot
be evaluated counts as not met, and hides nothing else.
"""

from __future__ import annotations

import re
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.masking import HIDDEN, mask
from gateway.policy.decision import Decision, Violation
from gateway.policy.expression import EvaluationError, require_reusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cel_expr_python import cel
    from google.protobuf.message import Message

    from gateway.policy.bundle import Bundle
    from gateway.policy.compiler import CompiledBinding, CompiledRule

_WHEN = "when"
# A link's signature has 64 digits; a message may print it without the link around it.
_SIGNATURE = re.compile(r"[0-9A-Fa-f]{40,}")


class Decider:
    """A bundle in force. It holds no state, so any number of calls may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def decide(self, method: str, request: Message, now: datetime) -> Decision:
        """Judge a request.

        Args:
            method: full name.
            request: the message that would be forwarded.
            now: the time that rules see, with its zone.
        """
        started = time.perf_counter_ns()
        values = {"request": request, "method": method, "now": now}
        bindings = self.bundle.bindings.get(method, ())
        violations = tuple(
            violation for binding in bindings for violation in _judge(binding, values, request)
        )
        return Decision(
            id=uuid.uuid4().hex,
            bundle=self.bundle.hash,
            method=method,
            is_judged=bool(bindings),
            violations=violations,
            duration_ns=time.perf_counter_ns() - started,
        )


def _judge(binding: CompiledBinding, values: dict[str, Any], request: Message) -> Iterator[Violation]:
    values = {**values, **binding.parameters}
    activation = binding.environment.activate(values)
    if binding.when is not None:
        try:
            if not binding.when.is_true(activation):
                return
        except EvaluationError as error:  # in doubt, the binding applies
            yield _violation(binding, _WHEN, "", f"{_WHEN} cannot be evaluated: {error}", is_error=True)
    activation, failed = _evaluate_variables(binding, values, activation)
    for rule in binding.rules:
        violation = _judge_rule(binding, rule, activation, failed, request)
        if violation is not None:
            yield violation


def _evaluate_variables(
    binding: CompiledBinding, values: dict[str, Any], activation: cel.Activation
) -> tuple[cel.Activation, dict[str, str]]:
    """Return an activation with the variables, and what became of those that failed."""
    failed: dict[str, str] = {}
    for name, expression in binding.variables:
        reason = next((failed[other] for other in expression.reads & failed.keys()), None)
        if reason is None:
            try:
                values = values | {name: require_reusable(expression.evaluate(activation))}
            except EvaluationError as error:
                reason = f"the variable {name} cannot be evaluated: {error}"
            else:
                activation = binding.environment.activate(values)
                continue
        failed[name] = reason
    return activation, failed


def _judge_rule(
    binding: CompiledBinding,
    rule: CompiledRule,
    activation: cel.Activation,
    failed: dict[str, str],
    request: Message,
) -> Violation | None:
    try:
        _require_variables(rule, failed)
        if rule.assertion.is_true(activation):
            return None
    except EvaluationError as error:
        return _violation(
            binding, rule.name, rule.field.text, f"the rule cannot be evaluated: {error}", is_error=True
        )
    parts = [_message(rule, activation), rule.field.describe(request)]
    return _violation(binding, rule.name, rule.field.text, "; ".join(filter(None, parts)))


def _require_variables(rule: CompiledRule, failed: dict[str, str]) -> None:
    if failed:
        for name in rule.assertion.reads & failed.keys():
            raise EvaluationError(failed[name])


def _message(rule: CompiledRule, activation: cel.Activation) -> str:
    text = ""
    if rule.message is not None:
        with suppress(EvaluationError):  # the rule is broken all the same; what it asks for says so
            text = mask(str(rule.message.evaluate(activation))).strip()
    return text or f"does not meet: {rule.assertion.text.strip()}"


def _violation(
    binding: CompiledBinding, rule: str, field: str, message: str, *, is_error: bool = False
) -> Violation:
    return Violation(
        policy=binding.policy,
        rule=rule,
        binding=binding.name,
        action=binding.action,
        field=field,
        message=_SIGNATURE.sub(HIDDEN, message),
        is_error=is_error,
    )
