"""Prepares a checked expression for evaluation.

Calls of the gateway's functions are replaced (see calls.py). Loops over maps get a fixed
order.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from gateway.expressions.calls import KEYS, Loop
from gateway.expressions.cel_types import (
    has_shape,
    is_constant_type,
    is_never_null,
    is_of_shape,
    is_text_type,
    shape_of,
)
from gateway.expressions.checked import add_binding, pack, part_of, rename
from gateway.expressions.conditions import ConditionCompiler
from gateway.expressions.errors import DYNAMIC, EvaluationError, ExpressionError, Problem
from gateway.expressions.expression import Executable, read_value
from gateway.expressions.functions import OVERLOADS
from gateway.expressions.gathering import bound_among, gather, turn_names
from gateway.expressions.python_code import Bound, CodeWriter
from gateway.expressions.readers import ValueSource, compile_reader
from gateway.expressions.syntax import arguments_of, children_of, is_variable_binding, names_in, walk

if TYPE_CHECKING:
    from cel_expr_python import cel

    from gateway.expressions.activation import Activation
    from gateway.expressions.calls import Calls, ExternalCall
    from gateway.expressions.editing import Editor
    from gateway.expressions.python_code import Names
    from gateway.expressions.readers import Read
    from gateway.expressions.syntax import Node


class Linker:
    """Prepares one expression for evaluation. The editor's checked form is changed in place."""

    def __init__(self, editor: Editor, calls: Calls, environment: cel.Env) -> None:
        """Create a linker for one expression.

        Args:
            editor: the editor of the expression. The calls of functions that are defined in CEL have already
                been replaced with the definitions.
            calls: the calls of all expressions of the method.
            environment: the environment that the engine evaluates in.
        """
        self._editor = editor
        self._calls = calls
        self._environment = environment
        self._writer = CodeWriter(editor, calls.schema)
        self._found: dict[str, ExternalCall] = {}

    def link(self) -> Executable:
        """Prepare the expression, and return it as an Executable.

        Raises:
            ExpressionError: a call cannot be computed outside of the engine.
        """
        checked = self._editor.checked
        may_hold_null = not is_never_null(self._editor.type_of(checked.expr))
        self._visit(checked.expr, {}, {})
        compiled = self._environment.deserialize(pack(checked))
        code = ConditionCompiler(self._editor, self._writer).compile(checked.expr)
        return Executable(compiled, tuple(self._found.values()), code, may_hold_null=may_hold_null)

    def _visit(self, node: Node, names: Names, loops: dict[str, Loop]) -> None:
        """Replace the calls in a part of the expression. Inner calls are replaced before outer calls.

        Args:
            node: the part of the expression.
            names: the names that are declared by loops and variable bindings around the part.
            loops: the loops around the part. The keys are the names of loop variables in `Activation.turn`.
        """
        kind = node.WhichOneof("expr_kind")
        if kind == "comprehension_expr":
            self._visit_loop(node, names, loops)
            return
        for child in children_of(node):
            self._visit(child, names, loops)
        if kind == "call_expr" and self._calls.is_computed(overload := self._editor.overload_of(node)):
            self._replace(node, overload, names, loops)

    def _visit_loop(self, node: Node, names: Names, loops: dict[str, Loop]) -> None:
        part = node.comprehension_expr
        self._visit(part.accu_init, names, loops)
        if is_variable_binding(node):
            self._visit(part.result, {**names, part.accu_var: Bound(part.accu_init, names)}, loops)
            return
        self._visit(part.iter_range, names, loops)
        own = [name for name in (part.iter_var, part.iter_var2) if name]
        values = self._source(part.iter_range, names)
        key = f"{len(loops)} {len(own)} {values.key}"
        variables = tuple(f"@{index}{_digest(key.encode())}" for index in range(len(own)))
        is_readable = is_constant_type(self._editor.type_of(part.iter_range), len(own))
        loop = Loop(key, variables, values, is_readable, self._editor.copy(part.iter_range), names)
        inner: Names = {**names, **dict(zip(own, variables, strict=True))}
        self._visit(part.loop_step, inner, {**loops, **dict.fromkeys(variables, loop)})
        if self._editor.has_sortable_keys(part.iter_range):
            self._sort(node, compile_reader(self._writer, part.iter_range, names))

    def _sort(self, node: Node, values: ValueSource | None) -> None:
        """Sort the keys of a map before a loop iterates over the map.

        Without sorting, the order of the keys differs between processes. If the gateway can read the map
        without the engine, the gateway sorts the keys once for all loops. If not, the engine sorts the keys,
        but only for a loop that builds a list. The order has no effect on the result of other loops. A loop
        that has two variables and builds no list is never changed.

        Args:
            node: the loop.
            values: the source of the map; None if the gateway cannot read the map without the engine.
        """
        loop = node.comprehension_expr
        gathers = loop.accu_init.HasField("list_expr")
        if loop.iter_var2 and not gathers:
            return  # the loop tests a condition, so the order has no effect
        if loop.iter_var2:
            self._editor.replace_values(node)
        if (
            values is not None
            and not values.turns
            and is_constant_type(self._editor.type_of(loop.iter_range), 2)
            and self._editor.has_keys_of_python(loop.iter_range)
        ):
            keys = self._calls.add(KEYS, (values,))
            self._found[keys.name] = keys
            self._editor.set_key_list(loop.iter_range, keys.name)
        elif gathers:
            self._editor.sort_keys(loop.iter_range)

    def _replace(self, node: Node, overload: str, names: Names, loops: dict[str, Loop]) -> None:
        given, form = arguments_of(node), OVERLOADS[overload]
        arguments = tuple(
            self._argument(one, names, shape_of(kind))
            for one, kind in zip(given, form.parameters.values(), strict=True)
        )
        around = _loops_around(frozenset[str]().union(*(one.turns for one in arguments)), loops)
        keys = tuple(index for index, one in enumerate(arguments) if one.turns)
        if set(keys) & set(form.others):
            raise ExpressionError([Problem(1, 1, DYNAMIC)])
        collect = self._collector([given[index] for index in keys], names, around) if around else None
        added = self._calls.add(overload, arguments, around, keys, collect)
        self._found[added.name] = added
        if around:
            self._editor.set_lookup(node, added.name, added.field, [given[index] for index in keys])
        else:
            self._editor.set_name(node, added.name)

    def _collector(self, given: list[Node], names: Names, loops: tuple[Loop, ...]) -> Read | None:
        """Return a function that reads the arguments of a call for all iterations at once.

        Return None if the gateway can read all arguments without the engine, or if the type
        of an argument is not known to be text.
        """
        if all(compile_reader(self._writer, one, names) for one in given):
            return None
        if not all(is_text_type(self._editor.type_of(one)) for one in given):
            return None
        gathering = gather(self._editor.checked, given, names, loops)
        compiled = self._environment.deserialize(pack(gathering))
        return lambda activation: read_value(compiled, activation.engine(), may_hold_null=False)

    def _argument(self, node: Node, names: Names, shape: str) -> ValueSource:
        """Return the source of the value of an argument.

        If the value does not have the given shape (see shape_of), the evaluation fails.
        """
        found = self._source(node, names)
        if is_of_shape(self._editor.type_of(node), shape):
            return found

        def read(activation: Activation) -> Any:
            value = found.read(activation)
            if not has_shape(value, shape):
                raise EvaluationError("No matching overloads found")
            return value

        return ValueSource(f"{shape} {found.key}", read, found.turns)

    def _source(self, node: Node, names: Names) -> ValueSource:
        """Return the source of the value of a part of the expression.

        The source uses the engine only if the gateway cannot read the value without the engine.
        """
        found = compile_reader(self._writer, node, names)
        if found is not None:
            return found
        turns = _turns_of(node, names)
        alone = _alone(self._editor.checked, node, names)
        compiled = self._environment.deserialize(pack(alone))
        may_hold_null = not is_never_null(self._editor.type_of(node))

        def read(activation: Activation) -> Any:
            engine = activation.engine_of_turn(turns) if turns else activation.engine()
            return read_value(compiled, engine, may_hold_null=may_hold_null)

        return ValueSource(_digest(_without_ids(alone.expr)), read, turns, is_evaluated=True)


def _loops_around(needed: frozenset[str], loops: dict[str, Loop]) -> tuple[Loop, ...]:
    """Return the loops that declare the needed variables, and the loops that these loops depend on.

    Args:
        needed: the names of the needed loop variables, as in `Activation.turn`.
        loops: all loops around the part of the expression. The keys are the names of loop variables in
            `Activation.turn`.
    """
    found: list[Loop] = []
    for loop in reversed(dict.fromkeys(loops.values())):
        if not needed & set(loop.variables):
            continue
        if not loop.is_readable:
            raise ExpressionError([Problem(1, 1, DYNAMIC)])
        found.append(loop)
        needed |= loop.values.turns
    return tuple(reversed(found))


def _turns_of(node: Node, names: Names) -> frozenset[str]:
    """Return the names of the loop variables that a part depends on, as in `Activation.turn`."""
    found = frozenset[str]()
    for name in names_in(node):
        meaning = names.get(name)
        if isinstance(meaning, Bound):
            found |= _turns_of(meaning.node, meaning.names)
        elif meaning is not None:
            found |= {meaning}
    return found


def _alone(checked: Any, node: Node, names: Names) -> Any:
    """Return a part as a separate expression. It binds the variables of the policy that the part needs."""
    alone = part_of(checked, node)
    rename(alone, alone.expr, turn_names(names))
    for name, bound in reversed(bound_among(node, names).items()):
        add_binding(alone, name, bound.node)
    return alone


def _without_ids(node: Node) -> bytes:
    copied = type(node)()
    copied.CopyFrom(node)
    for one in walk(copied):
        one.id = 0
    text: bytes = copied.SerializeToString(deterministic=True)
    return text


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
