"""Decides on requests with a bundle.

Every binding of the method is evaluated, and every broken rule is reported. A rule that
cannot be evaluated counts as broken. The other rules are still evaluated.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.call import Caller
from gateway.expressions import EvaluationError
from gateway.policy.conditions import fail, read_condition
from gateway.policy.decision import Decision, MutatedRequest, Violation
from gateway.policy.mutator import mutate
from gateway.policy.program import PolicyInput
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.errors import FieldViolation
    from gateway.expressions import Activation, Expression
    from gateway.policy.bundle import Bundle
    from gateway.policy.program import (
        CompiledBinding,
        CompiledRule,
        CompiledWaiver,
        Program,
    )
    from gateway.schema import Schema

_MAX_TEXT = 500  # the maximum length of a message or a fix. Both may contain values of a request.


class Decider:
    """Decides on requests with one bundle. A decider is immutable, so concurrent calls can share it."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._programs = bundle.programs

    def warm_up(self, schema: Schema) -> None:
        """Evaluate every expression once, so that the first call of a client is not slow.

        The engine prepares an expression at the first evaluation of the expression.
        """
        for method, program in self._programs.items():
            request = schema.known[method].request()
            program.warm_up(PolicyInput(method, request, Caller(), datetime.fromtimestamp(0, UTC)))

    def decide(self, policy_input: PolicyInput) -> Decision:
        """Make every mutation, evaluate the rules, and return the decision."""
        return self.evaluate(self.mutate(policy_input))

    def find_oversized(self, method: str, request: Message) -> list[FieldViolation]:
        """Return a violation for each value of a request that is too large for policies.

        If the result is not empty, the request must not be evaluated.
        """
        program = self._programs.get(method)
        if program is None or program.find_oversized is None:
            return []
        return program.find_oversized(request)

    def mutate(self, policy_input: PolicyInput) -> MutatedRequest:
        """Return the request after all mutations. No rule is evaluated."""
        program = self._programs.get(policy_input.method)
        if program is None or not program.mutating:
            return MutatedRequest(policy_input, policy_input.request)
        return mutate(program, policy_input)

    def evaluate(self, mutated: MutatedRequest) -> Decision:
        """Evaluate the rules on the mutated request, and return the decision."""
        started = time.perf_counter_ns()
        program = self._programs.get(mutated.input.method)
        violations: tuple[Violation, ...] = ()
        waived: tuple[Violation, ...] = ()
        if program is not None:
            found = [*mutated.errors, *_evaluate_program(program, mutated)]
            waived = tuple([one for one in found if one.waiver]) if found else ()
            violations = tuple([one for one in found if not one.waiver]) if waived else tuple(found)
        return Decision(
            new_decision_id(),
            self.bundle.hash,
            mutated,
            program is not None,
            violations,
            waived,
            time.perf_counter_ns() - started,
        )


def _evaluate_program(program: Program, mutated: MutatedRequest) -> list[Violation]:
    activation, applied = program.activate(mutated.mutated_input), mutated.applied
    found: list[Violation] = []
    for binding, is_met in zip(program.bindings, program.test(activation), strict=True):
        if is_met and not applied:
            continue
        has_applied = binding.name in applied
        if is_met is None or has_applied:
            is_met = _meets_all(binding, activation, has_applied=has_applied)  # noqa: PLW2901 - tested now
        if not is_met:
            found += _evaluate_binding(binding, activation, mutated, has_applied=has_applied)
    return found


def _meets_all(binding: CompiledBinding, activation: Activation, *, has_applied: bool) -> bool:
    """Return whether a binding has no broken rule and every evaluation succeeds.

    The result is also true if the binding does not apply. The function needs few evaluations, because each
    check combines several rules.
    """
    try:
        if binding.when is not None and not binding.when.is_true(activation) and not has_applied:
            return True
        for check in binding.checks:
            if not check.is_true(activation):
                return False
    except EvaluationError:  # the check may exceed its budget, although each single rule is within its budget
        return False
    return True


def _evaluate_binding(
    binding: CompiledBinding, activation: Activation, mutated: MutatedRequest, *, has_applied: bool
) -> list[Violation]:
    """Return the violations of a binding, rule by rule.

    A binding that applied before a mutation still applies after the mutation.
    """
    found: list[Violation] = []
    applies, doubt = read_condition(binding, activation)
    if doubt is not None and not any(
        (one.binding, one.rule) == (doubt.binding, doubt.rule) for one in mutated.errors
    ):
        found.append(doubt)
    for rule in binding.rules if applies or has_applied else ():
        violation = _evaluate_rule(binding, rule, activation, mutated.mutated_input)
        if violation is not None:
            found.append(violation)
    return found


def _evaluate_rule(
    binding: CompiledBinding, rule: CompiledRule, activation: Activation, policy_input: PolicyInput
) -> Violation | None:
    try:
        if rule.assertion.is_true(activation):
            return None
    except EvaluationError as error:
        message = f"the rule cannot be evaluated: {error}"
        return fail(binding, rule.name, rule.severity, rule.field.text, message)
    violation = Violation(
        binding.policy,
        rule.name,
        binding.name,
        binding.action,
        rule.severity,
        rule.field.text,
        rule.field.show(policy_input.request),
        _text(rule.message, activation) or f"does not meet: {rule.assertion.text.strip()}",
        _text(rule.fix, activation),
    )
    waiver = find_waiver(binding, rule, activation, policy_input)
    return violation if waiver is None else replace(violation, waiver=waiver.name)


def find_waiver(
    binding: CompiledBinding, rule: CompiledRule, activation: Activation, policy_input: PolicyInput
) -> CompiledWaiver | None:
    """Return the first waiver that applies to a broken rule, or None.

    A waiver whose condition cannot be evaluated does not apply.
    """
    for waiver in binding.waivers:
        if rule.name in waiver.rules and policy_input.now < waiver.expires:
            try:
                if waiver.when is None or waiver.when.is_true(activation):
                    return waiver
            except EvaluationError:
                continue
    return None


def _text(expression: Expression | None, activation: Activation) -> str:
    if expression is None:
        return ""
    try:
        value = str(expression.evaluate(activation))
    except EvaluationError:  # the rule is still broken, and the violation is reported without this text
        return ""
    return _to_constant_text(value) if expression.is_constant else _to_text(value)


def _to_text(value: str) -> str:
    return redact_text(value.strip(), _MAX_TEXT)


_to_constant_text = lru_cache(maxsize=1024)(_to_text)  # only for texts of the bundle, which are few


def new_decision_id() -> str:
    """Return a new ID, 32 hexadecimal digits. IDs grow with time, so they are quickly added to an index."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{milliseconds << 80 | random.getrandbits(80):032x}"  # an ID, not a secret
