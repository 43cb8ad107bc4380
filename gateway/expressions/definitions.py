"""The gateway's functions that also have a definition in CEL.

When an expression is loaded, a call of such a function in a loop is replaced with the
definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from gateway.expressions.cel_types import is_of_texts
from gateway.expressions.checked import CHECKED, unpack
from gateway.expressions.errors import DYNAMIC, ExpressionError, Problem
from gateway.expressions.functions import OVERLOADS, declare_functions
from gateway.expressions.libraries import AUTHORS
from gateway.expressions.syntax import UNUSED, arguments_of, children_of, names_in

if TYPE_CHECKING:
    from gateway.expressions.editing import Editor
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema


class Definitions:
    """The CEL definitions of functions, compiled once for a bundle."""

    def __init__(self, schema: Schema) -> None:
        """Compile the definitions against the types of a schema."""
        self._compiled: dict[str, Any] = {}
        functions, checked_class = declare_functions(), schema.message(CHECKED)
        for overload in OVERLOADS.values():
            if overload.definition is not None:
                environment = cel.NewEnv(
                    descriptor_pool=schema.pool,
                    config=AUTHORS,
                    variables=dict(overload.parameters),
                    functions=functions,
                )
                compiled = environment.compile(overload.definition)
                self._compiled[overload.id] = unpack(compiled, checked_class)

    def expand(self, editor: Editor, node: Node, turn: frozenset[str] = frozenset()) -> None:
        """Replace function calls with the definitions of the functions.

        A call is replaced only if one of its list or map arguments depends on a loop. Inner calls are
        replaced before outer calls.

        Args:
            editor: the editor of the expression.
            node: the part of the expression that contains the calls.
            turn: the names of the variables of the loops around the part.

        Raises:
            ExpressionError: a list or map argument may contain elements that are not texts.
        """
        loop = node.comprehension_expr
        if node.WhichOneof("expr_kind") == "comprehension_expr":
            self.expand(editor, loop.iter_range, turn)
            self.expand(editor, loop.accu_init, turn)
            inner = turn | {name for name in (loop.iter_var, loop.iter_var2) if name and name != UNUSED}
            self.expand(editor, loop.loop_step, inner)
            self.expand(editor, loop.result, turn)
            return
        for child in children_of(node):
            self.expand(editor, child, turn)
        overload = editor.overload_of(node)
        definition = self._compiled.get(overload)
        if definition is not None:
            given, form = arguments_of(node), OVERLOADS[overload]
            if any(names_in(given[index]) & turn for index in form.others):
                if not all(is_of_texts(editor.type_of(given[index])) for index in form.others):
                    raise ExpressionError([Problem(1, 1, DYNAMIC)])
                editor.graft(node, definition, dict(zip(form.parameters, given, strict=True)))
                self.expand(editor, node, turn)
