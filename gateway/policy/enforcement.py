"""Compares the names of the rules and bindings that two bundles enforce.

The content of rules is not compared. A renamed rule therefore counts as removed. A rule whose assertion
became weaker does not count as removed. The command `policy diff` or a shadow bundle shows such a change.
For bindings, the actions are also compared.
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
    """A rule or binding that a bundle no longer enforces, or a method that no longer has a denying binding.

    Attributes:
        kind: the kind of the removed item. The kind `method` means that a method has no denying binding now.
        text: the human-readable description of the removal. It contains the name of the removed item.
    """

    kind: Literal["rule", "binding", "method"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """The rules that a bundle enforces.

    Attributes:
        rules: the name of every rule, as `<policy>/<rule>`.
        bindings: the action of each binding. The keys are the names of the bindings.
        applied: the names of the rules that bindings apply to each method. The keys are the full names of the
            methods.
        denying: the full names of the methods that have at least one rule under a denying binding.
    """

    rules: frozenset[str]
    bindings: Mapping[str, str]
    applied: Mapping[str, frozenset[str]]
    denying: frozenset[str]


def describe_enforcement(bundle: Bundle) -> Enforcement:
    """Return the rules that a bundle enforces. The result does not contain the compiled programs."""
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
    """Return the removals that occur when a new bundle replaces the active bundle.

    Args:
        old: the enforcement of the active bundle.
        new: the enforcement of the new bundle.
        served: the full names of the methods that the gateway serves with the new bundle. Other methods
            cannot be called and are ignored.
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
