"""An explanation for people, and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.policy.decision import Decision
    from gateway.policy.explain import BindingTrace, Explanation, Part, RuleTrace


def explanation_to_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    decision = explanation.decision
    return {
        "method": decision.method,
        "decision": decision.outcome,
        "bundle": decision.bundle,
        "now": decision.asked.now.isoformat(),
        "mutations": [asdict(one) for one in decision.mutations],
        "waivers": list(decision.waivers),
        "violations": [asdict(one) for one in decision.violations],
        "bindings": [asdict(one) for one in explanation.bindings],
    }


def explanation_to_text(explanation: Explanation) -> str:
    """Return an explanation as lines for a terminal."""
    lines = [*_head(explanation.decision)]
    for binding in explanation.bindings:
        lines += ["", *_binding(binding)]
    if not explanation.bindings:
        lines += ["", "no binding is about the method, so nothing is judged"]
    return "\n".join(lines) + "\n"


def _head(decision: Decision) -> Iterator[str]:
    yield f"{decision.outcome}: {decision.method}"
    yield f"at {decision.asked.now.isoformat()}, by the bundle {decision.bundle}"
    for one in decision.mutations:
        made = "set" if one.is_made else "would be set"
        yield f"{one.field} {made} by {one.policy}/{one.name} ({one.binding}): {one.before} → {one.after}"
    for error in decision.violations:
        if error.rule.startswith("set["):
            yield f"{error.reason} ({error.binding}): {error.message}"


def _binding(binding: BindingTrace) -> Iterator[str]:
    applies = "" if binding.applies else ", which does not apply"
    yield f"binding {binding.name}: policy {binding.policy}, {binding.action}{applies}"
    if binding.when:
        yield "  when"
        yield from _parts(binding.when, 4)
    if binding.applies:
        for variable in binding.variables:
            yield f"  {variable.text} = {variable.value}"
        for rule in binding.rules:
            yield from _rule(rule)


def _rule(rule: RuleTrace) -> Iterator[str]:
    yield f"  rule {rule.name}: {rule.outcome}"
    if rule.told:
        yield f"    {rule.told}"
    yield from _parts(rule.parts, 4)
    for name, why in rule.waivers.items():
        yield f"    waiver {name}: {why}"


def _parts(parts: tuple[Part, ...], indent: int) -> Iterator[str]:
    for part in parts:
        yield f"{' ' * (indent + 2 * part.depth)}{part.text}  →  {part.value}"
