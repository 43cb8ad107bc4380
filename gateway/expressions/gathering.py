"""Builds an expression that returns the arguments of a call for all turns of its loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.checked import add_binding, rename
from gateway.expressions.editing import Editor
from gateway.expressions.readers import Bound
from gateway.expressions.syntax import names_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.expressions.calls import Loop
    from gateway.expressions.readers import Names
    from gateway.expressions.syntax import Node


def gather(checked: Any, given: list[Node], names: Names, loops: tuple[Loop, ...]) -> Any:
    """Return `range.map(variable, [argument, …])`, with a loop in it for each further loop.

    Args:
        checked: the expression that holds the call, a cel.expr.CheckedExpr.
        given: the arguments of the call.
        names: the names that they may refer to.
        loops: around the call, the outer ones first.
    """
    gathering = type(checked)()
    gathering.CopyFrom(checked)
    editor = Editor(gathering)
    inner = editor.make_list([_renamed(editor, one, names) for one in given])
    for loop in reversed(loops):
        inner = editor.make_map(_renamed(editor, loop.node, loop.names), loop.variables, inner)
    gathering.expr.CopyFrom(inner)
    bindings = dict[str, Bound]()
    for node, known in [*((one, names) for one in given), *((loop.node, loop.names) for loop in loops)]:
        bindings = bound_among(node, known, bindings)
    for name, bound in reversed(bindings.items()):
        add_binding(gathering, name, bound.node)
    return gathering


def turn_names(names: Names) -> dict[str, str]:
    """Return the names of loop variables in a turn, by the names in the source."""
    return {name: one for name, one in names.items() if isinstance(one, str)}


def bound_among(node: Node, names: Names, found: Mapping[str, Bound] | None = None) -> dict[str, Bound]:
    """Return the variables of the policy that a part needs, each after those that it needs itself.

    Args:
        node: the part.
        names: the names that it may refer to. A variable may need one that a loop around the part hides.
        found: variables that other parts need, which are returned too.
    """
    all_found = dict(found or {})
    for name in sorted(names_in(node)):
        meaning = names.get(name)
        if isinstance(meaning, Bound) and name not in all_found:
            all_found = bound_among(meaning.node, meaning.names, all_found)
            all_found[name] = meaning
    return all_found


def _renamed(editor: Editor, node: Node, names: Names) -> Node:
    copied = editor.copy(node)
    rename(editor.checked, copied, turn_names(names))
    return copied
