"""Builds an expression that returns the arguments of a call for all iterations of the enclosing loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.checked import add_binding, rename
from gateway.expressions.editing import Editor
from gateway.expressions.python_code import Bound
from gateway.expressions.syntax import names_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.expressions.calls import Loop
    from gateway.expressions.python_code import Names
    from gateway.expressions.syntax import Node


def gather(checked: Any, given: list[Node], names: Names, loops: tuple[Loop, ...]) -> Any:
    """Return an expression that returns the arguments of a call for all iterations of the loops.

    The expression has the form `range.map(variable, [argument, …])`. For several loops, the `map` macros
    are nested.

    Args:
        checked: the cel.expr.CheckedExpr that contains the call.
        given: those arguments of the call that depend on loops.
        names: the names that the arguments may refer to.
        loops: the loops around the call, from the outermost to the innermost.
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
    """Return the names that loop variables have in `Activation.turn`.

    The keys are the names of the loop variables in the expression.
    """
    return {name: one for name, one in names.items() if isinstance(one, str)}


def bound_among(node: Node, names: Names, found: Mapping[str, Bound] | None = None) -> dict[str, Bound]:
    """Return the policy's variables that a part of an expression needs, directly or through other variables.

    A variable comes after the variables that it depends on.

    Args:
        node: the part of the expression.
        names: the names that the part may refer to.
        found: the variables that other parts need. The result also contains these variables.
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
