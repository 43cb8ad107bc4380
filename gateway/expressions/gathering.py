"""An expression that gathers the arguments of a call in all turns of the loops around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.checked import add_binding, rename
from gateway.expressions.editing import Editor
from gateway.expressions.readers import Bound
from gateway.expressions.syntax import names_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.expressions.calls import Loop
    from gateway.expressions.readers import Names
    from gateway.expressions.syntax import Node


def gather(checked: Any, given: list[Node], names: Names, loops: tuple[Loop, ...]) -> Any:
    """Return `range.map(variable, [argument, …])`, with a loop in it for each further loop.

    Args:
        checked: the expression that holds the call, a cel.expr.CheckedExpr.
        given: the arguments of the call.
        names: that they may refer to.
        loops: around the call, the outer ones first.
    """
    gathering = type(checked)()
    gathering.CopyFrom(checked)
    editor = Editor(gathering)
    inner = editor.make_list([_renamed(editor, one, names) for one in given])
    for loop in reversed(loops):
        inner = editor.make_map(_renamed(editor, loop.node, loop.names), loop.variables, inner)
    gathering.expr.CopyFrom(inner)
    used = set(names_in(gathering.expr))
    for name, bound in reversed(bound_among(used, names).items()):
        add_binding(gathering, name, bound.node)
    return gathering


def turn_names(names: Names) -> dict[str, str]:
    """Return the names that variables of loops have in a turn, by the names that their author gave them."""
    return {name: one for name, one in names.items() if isinstance(one, str)}


def bound_among(used: Iterable[str], names: Names) -> dict[str, Bound]:
    """Return the variables of the policy that names lead to, directly or by others, in their order."""
    needed = set(used)
    for name, meaning in reversed(list(names.items())):
        if name in needed and isinstance(meaning, Bound):
            needed |= names_in(meaning.node)
    return {name: one for name, one in names.items() if name in needed and isinstance(one, Bound)}


def _renamed(editor: Editor, node: Node, names: Names) -> Node:
    copied = editor.copy(node)
    rename(editor.checked, copied, turn_names(names))
    return copied
