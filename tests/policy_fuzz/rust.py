"""A second opinion on single expressions: the Rust engine of the package common-expression-language.

It differs from the specification in ways that are known; see DIFFERENCES.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import cel

from tests.policy_fuzz.case import Binding
from tests.policy_fuzz.oracle import Outcome, Request
from tests.policy_fuzz.tree import LOOPS, Tree, to_cel, walk
from tests.policy.making import CREATE


def _is_inexact_size(tree: Tree) -> bool:
    return tree.operator == "size" and tree.parts[0].kind == "text"


DIFFERENCES: dict[str, Callable[[Tree], bool]] = {
    "size() of a text counts bytes": _is_inexact_size,
    "has() of a field is true though the field is empty": lambda tree: tree.operator == "has_field",
}
"""What the engine does otherwise, by why; each tells whether a part of an expression may show it."""


class Reader:
    """Judges the expressions of one binding."""

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

    def judge(self, tree: Tree, context: cel.Context) -> Outcome | None:
        """Tell what a condition comes to; None when it is out of reach."""
        program = self._compile(tree)
        if program is None:
            return None
        try:
            value = program.execute(context)
        except Exception:  # noqa: BLE001  # each error is of another class
            return "error"
        return {True: "true", False: "false"}.get(value, "error") if isinstance(value, bool) else "error"

    def _compile_now(self, tree: Tree) -> cel.Program | None:
        return None if self._hides(tree) else cel.compile(to_cel(tree, self._inlined))

    def _hides(self, tree: Tree) -> bool:
        """Tell whether a loop names its element as a variable: its text cannot stand in its place."""
        return any(one.operator in LOOPS and one.value in self._trees for one in self._parts(tree))

    def explain(self, tree: Tree) -> str | None:
        """Return why the engine may think otherwise of an expression, or None."""
        parts = list(self._parts(tree))
        return next((why for why, shows in DIFFERENCES.items() if any(map(shows, parts))), None)

    def _parts(self, tree: Tree) -> list[Tree]:
        """Return the parts of an expression and of the variables that it needs."""
        parts = list(walk(tree))
        needed = {str(one.value) for one in parts if one.operator == "variable"}
        return [*parts, *(one for name in sorted(needed) for one in self._parts(self._trees[name]))]
