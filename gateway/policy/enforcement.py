"""Compares what two bundles enforce, by name.

Only names are compared: a renamed rule counts as removed, and a rule with a weaker assertion does not.
`policy diff` and a shadow bundle show such changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.policy.bundle import Bundle

_DENY = "deny"


@dataclass(frozen=True, slots=True)
class Removal:
    """A rule, binding or method that a bundle no longer enforces.

    Attributes:
        kind: what it is: a rule of a policy, a binding, or the denying bindings of a method.
        text: what it is with its name, for people.
    """

    kind: Literal["rule", "binding", "method"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """The rules that a bundle enforces.

    Attributes:
        rules: `<policy>/<rule>` of every rule.
        bindings: name of each binding → its action.
        applied: full name of a method → the rules that some binding applies to it.
        denying: full names of the methods with a rule under a denying binding.
    """

    rules: frozenset[str]
    bindings: Mapping[str, str]
    applied: Mapping[str, frozenset[str]]
    denying: frozenset[str]


def describe_enforcement(bundle: Bundle) -> Enforcement:
    """Return the rules that a bundle enforces, without their compiled programs."""
    applied = {
        method: frozenset(f"{one.policy}/{rule.name}" for one in program.bindings for rule in one.rules)
        for method, program in bundle.programs.items()
    }
    denying = {
        method
        for method, program in bundle.programs.items()
        if any(one.action == _DENY and one.rules for one in program.bindings)
    }
    bindings = {name: binding.spec.action for name, (binding, _) in bundle.documents.bindings.items()}
    return Enforcement(rules=bundle.rules, bindings=bindings, applied=applied, denying=frozenset(denying))


def find_removals(old: Enforcement, new: Enforcement, served: frozenset[str]) -> tuple[Removal, ...]:
    """Return the rules that only the old bundle enforces.

    Args:
        old: the bundle that is active.
        new: the bundle that is to replace it.
        served: full names of the methods that are served with the new one; others cannot be called.
    """
    return (
        *_removed_rules(old, new, served),
        *_removed_bindings(old, new),
        *(
            Removal("method", f"the last denying binding of {method}")
            for method in sorted((old.denying - new.denying) & served)
        ),
    )


def _removed_rules(old: Enforcement, new: Enforcement, served: frozenset[str]) -> Iterator[Removal]:
    gone = old.rules - new.rules
    for rule in sorted(gone):
        yield Removal("rule", f"rule {rule}")
    for method in sorted(old.applied.keys() & served):
        for rule in sorted(old.applied[method] - new.applied.get(method, frozenset()) - gone):
            yield Removal("rule", f"rule {rule} for {method}")


def _removed_bindings(old: Enforcement, new: Enforcement) -> Iterator[Removal]:
    for name, action in sorted(old.bindings.items()):
        if name not in new.bindings:
            yield Removal("binding", f"binding {name}")
        elif action == _DENY != new.bindings[name]:
            yield Removal("binding", f"action deny of the binding {name}, which is {new.bindings[name]} now")
