"""Formats an explanation as text for people, or as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.policy_tools.explain import show_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.audit.record_reader import Recorded
    from gateway.policy.decision import Decision
    from gateway.policy_tools.explain import BindingTrace, Explanation, PartTrace, RuleTrace


_ALTERED = "parts of the recorded request are redacted, so values may differ from those in the call"
_JSON_KEYS = {"mutations": "settings", "description": "told"}


def explanation_to_json(explanation: Explanation, recorded: Recorded | None = None) -> dict[str, Any]:
    """Return an explanation as JSON values.

    Args:
        explanation: the explanation of a decision.
        recorded: the record that the request was read from; None if the request was not read from a record.
    """
    decision = explanation.decision
    earlier = recorded and {
        "id": recorded.id,
        "decision": recorded.outcome,
        "is_altered": recorded.is_altered,
    }
    return {
        **({"recorded": earlier} if earlier else {}),
        "method": decision.method,
        "decision": decision.outcome,
        "bundle": decision.bundle,
        "now": show_time(decision.input.now),
        "refused": list(explanation.refused),
        "mutations": [asdict(one) for one in decision.mutations],
        "waivers": list(decision.waivers),
        "violations": [asdict(one) for one in decision.violations],
        "waived": [asdict(one) for one in decision.waived],
        "bindings": [asdict(one, dict_factory=_to_object) for one in explanation.bindings],
    }


def _to_object(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the attributes of a trace as a JSON object. Some keys differ from the names of the attributes.

    Args:
        items: the names and values of the attributes.
    """
    return {_JSON_KEYS.get(name, name): value for name, value in items}


def explanation_to_text(explanation: Explanation, recorded: Recorded | None = None) -> str:
    """Return an explanation as text for a terminal.

    The text describes the decision first, and then each binding.

    Args:
        explanation: the explanation of a decision.
        recorded: the record that the request was read from; None if the request was not read from a record.
    """
    lines = [*_head(explanation.decision)]
    if recorded is not None:
        lines[2:2] = _recorded(recorded, explanation.decision)
    lines += [f"  400 in service: {reason}" for reason in explanation.refused]
    for binding in explanation.bindings:
        lines += ["", *_binding(binding)]
    if not explanation.bindings:
        lines += ["", "no binding is about the method, so nothing is evaluated"]
    return "\n".join(lines) + "\n"


def _head(decision: Decision) -> Iterator[str]:
    yield f"{decision.outcome}: {decision.method}"
    yield f"at {show_time(decision.input.now)}, by the bundle {decision.bundle}"
    for mutation in decision.mutations:
        outcome = "set" if mutation.is_made else "would be set"
        yield (
            f"  {outcome}: {mutation.field} by {mutation.policy}/{mutation.name} ({mutation.binding}): "
            f"{mutation.before} → {mutation.after}"
        )
    for one in decision.violations:
        yield f"  {one.action}: {one.reason} ({one.binding}): {one.description}"
    for one in decision.waived:
        yield f"  waived by {one.waiver}: {one.reason} ({one.binding}): {one.description}"


def _recorded(recorded: Recorded, decision: Decision) -> Iterator[str]:
    is_same = recorded.outcome == decision.outcome
    yield f"recorded as {recorded.outcome}{'' if is_same else ', which would change'}: decision {recorded.id}"
    if recorded.is_altered:
        yield f"  {_ALTERED}"


def _binding(binding: BindingTrace) -> Iterator[str]:
    yield f"binding {binding.name}: policy {binding.policy}, {binding.action}{_application(binding)}"
    if binding.when:
        yield "  when"
        yield from _parts(binding.when, 4)
    if binding.applies:
        yield from _parts(binding.variables, 2)
        for mutation in binding.mutations:
            description = f": {mutation.description}" if mutation.description else ""
            yield f"  {mutation.name} {mutation.field}: {mutation.outcome}{description}"
        for rule in binding.rules:
            yield from _rule(rule)


def _application(binding: BindingTrace) -> str:
    if not binding.applies:
        return ", which does not apply"
    if binding.when and binding.when[0].value not in {"true", "false"}:
        return ", which applies because its condition cannot be evaluated"
    return ""


def _rule(rule: RuleTrace) -> Iterator[str]:
    yield f"  rule {rule.name}: {rule.outcome}"
    if rule.description:
        yield f"    {rule.description}"
    yield from _parts(rule.parts, 4)
    for name, why in rule.waivers.items():
        yield f"    waiver {name}: {why}"


def _parts(parts: tuple[PartTrace, ...], indent: int) -> Iterator[str]:
    for part in parts:
        yield f"{' ' * (indent + 2 * part.depth)}{' '.join(part.text.split())}  →  {part.value}"
