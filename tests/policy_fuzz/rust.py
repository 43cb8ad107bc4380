"""A second opinion on single expressions: the Rust engine of the package common-expression-language.

It differs from the specification in ways that are known; see DIFFERENCES.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations, product
from typing import Any

import cel

from tests.policy.making import CREATE
from tests.policy_fuzz.case import Binding
from tests.policy_fuzz.oracle import Form, Outcome, Request, Scope, World, evaluate, outcome_of, scopes
from tests.policy_fuzz.tree import LOOPS, OWN, Tree, to_cel, walk

_OUTCOMES: dict[bool, Outcome] = {True: "true", False: "false"}
_LEAST = -(2**63)


def _count_bytes(tree: Tree, world: World, scope: Scope) -> int:
    value = evaluate(tree.parts[0], world, scope)
    return len(value.encode()) if isinstance(value, str) else len(value)


def _wrap(tree: Tree, world: World, scope: Scope) -> int:
    value: int = evaluate(tree.parts[0], world, scope)
    return value if value == _LEAST else -value


def _all_in_order(tree: Tree, world: World, scope: Scope) -> bool:
    return all(evaluate(tree.parts[1], world, one) for one in scopes(tree, world, scope))


def _exists_in_order(tree: Tree, world: World, scope: Scope) -> bool:
    return any(evaluate(tree.parts[1], world, one) for one in scopes(tree, world, scope))


DIFFERENCES: dict[str, dict[str, Form]] = {
    "size() of a text counts bytes": {"size": _count_bytes},
    "the least integer negated is itself": {"negate": _wrap},
    "all() and exists() end at the first error": {"all": _all_in_order, "exists": _exists_in_order},
    "has() of a field is true though the field is empty": {"has_field": lambda _tree, _world, _scope: True},
}
"""What the engine makes otherwise of which operators, each of them tried out with the release pinned."""

SEVERAL = "several of these"


def _orders(whole: Any) -> list[dict[str, str]]:
    return [dict(entries) for entries in permutations(whole.items())]


class Reader:
    """Evaluates the expressions of one binding."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._inlined: dict[str, str] = {}
        self._trees = dict(binding.policy.variables)
        for name, tree in binding.policy.variables.items():
            self._inlined[name] = to_cel(tree, self._inlined)
        self._compile = cache(self._compile_now)

    def context(self, request: Request) -> cel.Context:
        """Return what the names of the binding's expressions stand for."""
        values: dict[str, Any] = {
            "request": {**request.fields, "labels": dict(request.labels)},
            "params": self._binding.parameters,
            "method": CREATE,
            "caller": {"id": request.caller, "groups": list(request.groups)},
        }
        return cel.Context(values)

    def outcome_of(self, tree: Tree, context: cel.Context) -> Outcome | None:
        """Tell what a condition comes to; None when it is out of reach."""
        program = self._compile(tree)
        if program is None:
            return None
        try:
            value = program.execute(context)
        except Exception:  # noqa: BLE001  # each error is of another class
            return "error"
        return _OUTCOMES[value] if isinstance(value, bool) else "error"

    def _compile_now(self, tree: Tree) -> cel.Program | None:
        return None if self._hides(tree) else cel.compile(to_cel(tree, self._inlined))

    def _hides(self, tree: Tree) -> bool:
        """Tell whether it is out of reach: of a function of ours, or where a loop hides a variable's name."""
        parts = self._parts(tree)
        hides = any(one.operator in LOOPS and one.value in self._trees for one in parts)
        return hides or any(one.operator in OWN for one in parts)

    def explain(self, tree: Tree, request: Request, found: Outcome) -> str | None:
        """Return which known differences lead to what the engine says, or None when they do not."""
        for why, oddities in DIFFERENCES.items():
            if found in self._possible(tree, request, oddities):
                return why
        together = {operator: form for one in DIFFERENCES.values() for operator, form in one.items()}
        return SEVERAL if found in self._possible(tree, request, together) else None

    def _possible(self, tree: Tree, request: Request, oddities: dict[str, Form]) -> set[Outcome]:
        """Return what an expression may come to: maps are in no certain order, which an early end shows."""
        owners = self._binding.parameters.get("owners", {})
        bindings = [
            replace(self._binding, own={**self._binding.own, "owners": one}) for one in _orders(owners)
        ]
        requests = [replace(request, labels=one) for one in _orders(request.labels)]
        return {
            outcome_of(tree, binding.world(one, oddities)) for binding, one in product(bindings, requests)
        }

    def _parts(self, tree: Tree) -> list[Tree]:
        """Return the parts of an expression and of the variables that it needs."""
        parts = list(walk(tree))
        needed = {str(one.value) for one in parts if one.operator == "variable"}
        return [*parts, *(one for name in sorted(needed) for one in self._parts(self._trees[name]))]
