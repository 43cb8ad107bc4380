"""Explains why a decision does not have a violation that a test case expects."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from gateway.faults import suggest
from gateway.policy.conditions import read_condition
from gateway.policy.field_path import FieldPathError, compile_field_path
from gateway.policy.model import CONDITION
from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.policy.bundle import Bundle
    from gateway.policy.decision import Decision, Violation
    from gateway.policy.program import CompiledBinding

_GROUPS = {"deny": "violation", "warn": "warning", "audit": "audit"}


class SuiteNames:
    """Explains differences between an expected and an actual decision.

    The explanations use the names of the policies, rules and waivers of a bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._programs = bundle.programs
        self._policies = bundle.documents.policies
        self._waivers = bundle.documents.waivers
        self._rules = set(bundle.rules)
        for name, (policy, _) in self._policies.items():
            self._rules |= {f"{name}/set[{index}]" for index in range(len(policy.spec.mutations))}
        for binding, _ in bundle.documents.bindings.values():
            if binding.spec.when is not None:
                self._rules.add(f"{binding.spec.policy}/{CONDITION}")

    def explain_absent(self, what: str, rule: str, decision: Decision) -> str:
        """Return the reason why a decision does not have a violation that a test case expects.

        Args:
            what: the group of the expected violation: `violation`, `warning`, `audit` or `waived`.
            rule: the name of the rule that should be broken.
            decision: the actual decision.
        """
        if rule not in self._rules:
            return self._explain_unknown(rule)
        return self._explain_known(what, rule, decision)

    def _explain_known(self, what: str, rule: str, decision: Decision) -> str:
        bindings = [one for one in self._bindings_of(decision) if one.policy == rule.partition("/")[0]]
        if not bindings:
            return f"expected, but no binding of its policy is about {decision.method}"
        found = [one for one in (*decision.violations, *decision.waived) if one.reason == rule]
        groups = dict.fromkeys(map(_group_of, found))
        if what in groups:
            return "expected more often than the rule was broken"
        if groups:
            return f"expected, but the rule was broken as {' and as '.join(groups)}"
        if rule.endswith((f"/{CONDITION}", "]")):  # the test case expects an evaluation error
            return "expected, but it could be evaluated"
        if not self._applies(bindings, decision):
            return "expected, but no binding of its policy applies to the request: see their when"
        return "expected, but the rule was met"

    def _bindings_of(self, decision: Decision) -> tuple[CompiledBinding, ...]:
        program = self._programs.get(decision.method)
        return program.bindings if program else ()

    def _applies(self, bindings: Iterable[CompiledBinding], decision: Decision) -> bool:
        activation = self._programs[decision.method].activate(decision.mutated_request.mutated_input)
        return any(
            read_condition(one, activation)[0] or one.name in decision.mutated_request.applied
            for one in bindings
        )

    def _explain_unknown(self, rule: str) -> str:
        policy, slash, _ = rule.partition("/")
        if not slash:
            ends = sorted(one for one in self._rules if one.endswith(f"/{rule}"))
            hint = f"; did you mean {ends[0]}?" if ends else suggest(rule, self._rules)
            return f"there is no such rule; a rule is named <policy>/<rule>{hint}"
        if policy not in self._policies:
            return f"there is no policy {policy!r}, so there is no such rule{self._suggest_rule(rule)}"
        return f"there is no such rule{self._suggest_rule(rule)}"

    def _suggest_rule(self, rule: str) -> str:
        """Return a hint with a similar rule name.

        If there is no similar rule name, return a hint with the rules of the policy. If the policy has no
        rules either, return an empty text.
        """
        policy = rule.partition("/")[0]
        own = [one for one in self._rules if one.startswith(f"{policy}/")]
        near = get_close_matches(rule, own, n=1) or get_close_matches(rule, list(self._rules), n=1)
        if near:
            return f"; did you mean {near[0]}?"
        return f"; rules of {policy}: {', '.join(sorted(own))}" if own else ""

    def explain_waiver(self, name: str) -> str:
        """Return a hint if there is no waiver with the given name.

        The hint starts with a semicolon. Return an empty text if the waiver exists or the name is empty.
        """
        if not name or name in self._waivers:
            return ""
        return f"; there is no waiver {name!r}{suggest(name, self._waivers)}"

    def explain_field(self, path: str, decision: Decision) -> str:
        """Return a hint if the request of a decision has no field at the given path.

        The hint starts with a semicolon. Return an empty text if the field exists.
        """
        try:
            compile_field_path(path, descriptor_of(type(decision.request)))
        except FieldPathError as error:
            return f"; {error}"
        return ""


def _group_of(violation: Violation) -> str:
    """Return the group of a violation: `violation`, `warning`, `audit` or `waived`."""
    return "waived" if violation.waiver else _GROUPS[violation.action]
