"""Functions that read and change the checked form of an expression.

The checked form is a cel.expr.CheckedExpr: the result of parsing and type checking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage

from gateway.expressions.syntax import UNUSED, children_of, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cel_expr_python import cel

    from gateway.expressions.syntax import Node

CHECKED = "cel.expr.CheckedExpr"


def unpack(compiled: cel.Expression, checked_class: Any) -> Any:
    """Return the checked form of a compiled expression as a cel.expr.CheckedExpr."""
    return checked_class.FromString(AnyMessage.FromString(compiled.serialize()).value)


def pack(checked: Any) -> bytes:
    """Serialize a checked form for the engine."""
    packed = AnyMessage(
        type_url=f"type.googleapis.com/{checked.DESCRIPTOR.full_name}", value=checked.SerializeToString()
    )
    return packed.SerializeToString()


def part_of(checked: Any, root: Node) -> Any:
    """Return a part of an expression as a separate expression."""
    part = type(checked)()
    part.CopyFrom(checked)
    part.expr.CopyFrom(root)
    return part


def rename(checked: Any, node: Node, names: Mapping[str, str]) -> None:
    """Rename the variables that a part of an expression reads.

    Variables that the part declares in its own loops keep their names.

    Args:
        checked: the expression, a cel.expr.CheckedExpr.
        node: the part of the expression.
        names: the new names of variables, keyed by the current names.
    """
    match node.WhichOneof("expr_kind"):
        case "ident_expr":
            name = names.get(node.ident_expr.name)
            if name is not None:
                node.ident_expr.name = name
                checked.reference_map[node.id].name = name
        case "comprehension_expr":
            loop = node.comprehension_expr
            declared = {loop.iter_var, loop.iter_var2, loop.accu_var}
            inner = {name: new for name, new in names.items() if name not in declared}
            for part in (loop.iter_range, loop.accu_init):
                rename(checked, part, names)
            for part in (loop.loop_condition, loop.loop_step, loop.result):
                rename(checked, part, inner)
        case _:
            for part in children_of(node):
                rename(checked, part, names)


def add_binding(checked: Any, name: str, value: Node) -> None:
    """Turn an expression into `cel.bind(name, value, expression)`."""
    body = type(checked.expr)()
    body.CopyFrom(checked.expr)
    checked.expr.Clear()
    checked.expr.id = last_id(checked) + 1
    loop = checked.expr.comprehension_expr
    loop.iter_var = UNUSED
    loop.iter_range.id = checked.expr.id + 1
    loop.iter_range.list_expr.SetInParent()
    loop.accu_var = name
    loop.accu_init.CopyFrom(value)
    loop.loop_condition.id = checked.expr.id + 2
    loop.loop_condition.const_expr.bool_value = False
    loop.loop_step.id = checked.expr.id + 3
    loop.loop_step.ident_expr.name = name
    checked.reference_map[loop.loop_step.id].name = name
    loop.result.CopyFrom(body)


def last_id(checked: Any) -> int:
    """Return the largest node ID of an expression. Its nodes, references and types contain node IDs."""
    ids: list[int] = [*checked.reference_map, *checked.type_map, *(one.id for one in walk(checked.expr))]
    return max(ids, default=0)
