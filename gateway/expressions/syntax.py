"""Iterates over the checked form of an expression, and writes an expression as CEL text.

The engine expands macros to loops. The written text contains the macros again, as in
the author's text.
https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Node: TypeAlias = Any
"""A cel.expr.Expr. Its class is created from the descriptors at run time."""

_INFIX = {
    "_||_": ("||", 1),
    "_&&_": ("&&", 2),
    "_==_": ("==", 3),
    "_!=_": ("!=", 3),
    "_<_": ("<", 3),
    "_<=_": ("<=", 3),
    "_>_": (">", 3),
    "_>=_": (">=", 3),
    "@in": ("in", 3),
    "_+_": ("+", 4),
    "_-_": ("-", 4),
    "_*_": ("*", 5),
    "_/_": ("/", 5),
    "_%_": ("%", 5),
}
_PREFIX = {"!_": "!", "-_": "-"}
_CONDITION, _UNARY, _PRIMARY = 0, 6, 7
UNUSED = "#unused"
"""The name of the loop variable in the expansion of `cel.bind`.

The expansion is a loop without iterations.
"""

_RENAMED = {"math.@max": "math.greatest", "math.@min": "math.least"}  # the macros, keyed by function
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INFINITE = "1e999"
_PLAIN_BYTES = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')


def children_of(node: Node) -> Iterator[Node]:
    """Yield the direct parts of an expression."""
    match node.WhichOneof("expr_kind"):
        case "select_expr":
            yield node.select_expr.operand
        case "call_expr":
            if node.call_expr.HasField("target"):
                yield node.call_expr.target
            yield from node.call_expr.args
        case "list_expr":
            yield from node.list_expr.elements
        case "struct_expr":
            for entry in node.struct_expr.entries:
                if entry.HasField("map_key"):
                    yield entry.map_key
                yield entry.value
        case "comprehension_expr":
            loop = node.comprehension_expr
            yield from (loop.iter_range, loop.accu_init, loop.loop_condition, loop.loop_step, loop.result)


def arguments_of(node: Node) -> list[Node]:
    """Return the arguments of a call. The target of a member function is the first argument."""
    call = node.call_expr
    return [call.target, *call.args] if call.HasField("target") else list(call.args)


def walk(node: Node) -> Iterator[Node]:
    """Yield an expression and all its parts. An outer part is yielded before its inner parts."""
    stack = [node]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(list(children_of(one))))


def is_variable_binding(node: Node) -> bool:
    """Return whether a loop is the expansion of `cel.bind(name, value, expression)`."""
    return bool(node.comprehension_expr.iter_var == UNUSED)


def to_text(node: Node) -> str:
    """Return the CEL text of an expression. The text contains only the necessary parentheses."""
    return _write(node)[0]


def _write(node: Node) -> tuple[str, int]:
    """Return the text of an expression and the precedence of its outermost operator."""
    kind = node.WhichOneof("expr_kind")
    part = getattr(node, kind)
    if kind == "call_expr":
        return _call(part)
    text = _PRIMARIES[kind](part)
    return text, _UNARY if text.startswith("-") else _PRIMARY


def _select(select: Any) -> str:
    text = f"{_within(select.operand, _PRIMARY)}.{_field(select.field)}"
    return f"has({text})" if select.test_only else text


def _field(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else f"`{name}`"


def _within(node: Node, level: int) -> str:
    """Return the text of a node, in parentheses if the precedence of its operator is lower than `level`."""
    text, own = _write(node)
    return text if own >= level else f"({text})"


def _joined(nodes: Any) -> str:
    return ", ".join(map(to_text, nodes))


def _constant(constant: Any) -> str:
    kind = constant.WhichOneof("constant_kind")
    match kind and getattr(constant, kind):
        case bool(value):
            return str(value).lower()
        case str(value):
            return json.dumps(value, ensure_ascii=False)
        case bytes(value):
            return _bytes(value)
        case value if kind in {"int64_value", "uint64_value", "double_value"}:
            return f"{value}u" if kind == "uint64_value" else str(value).replace("inf", _INFINITE)
    return "null"


def _bytes(value: bytes) -> str:
    shown = (chr(one) if one in _PLAIN_BYTES else f"\\x{one:02x}" for one in value)
    return f'b"{"".join(shown)}"'


def _call(call: Any) -> tuple[str, int]:
    function, arguments = call.function, call.args
    if function in _INFIX:
        sign, level = _INFIX[function]
        left, right = _within(arguments[0], level), _within(arguments[1], level + 1)
        if function in {"_||_", "_&&_"}:  # these operators are associative
            right = _within(arguments[1], level)
        return f"{left} {sign} {right}", level
    if function in _PREFIX:
        operand = _within(arguments[0], _PRIMARY)
        if operand[0].isdigit():  # -(1) is a call, but -1 is a number
            operand = f"({operand})"
        return _PREFIX[function] + operand, _UNARY
    if function == "_?_:_":
        test, then = _within(arguments[0], 1), _within(arguments[1], 1)
        return f"{test} ? {then} : {_within(arguments[2], _CONDITION)}", _CONDITION
    if function in {"_[_]", "_[?_]"}:
        optional = "?" if function == "_[?_]" else ""
        return f"{_within(arguments[0], _PRIMARY)}[{optional}{to_text(arguments[1])}]", _PRIMARY
    if function == "_?._":
        return f"{_within(arguments[0], _PRIMARY)}.?{_field(arguments[1].const_expr.string_value)}", _PRIMARY
    target = f"{_within(call.target, _PRIMARY)}." if call.HasField("target") else ""
    return f"{target}{_RENAMED.get(function, function)}({_joined(arguments)})", _PRIMARY


def _elements(made: Any) -> Iterator[str]:
    optional = set(made.optional_indices)
    for index, element in enumerate(made.elements):
        yield f"{'?' if index in optional else ''}{to_text(element)}"


def _struct(struct: Any) -> str:
    entries = [
        f"{'?' if entry.optional_entry else ''}"
        f"{to_text(entry.map_key) if entry.HasField('map_key') else entry.field_key}: {to_text(entry.value)}"
        for entry in struct.entries
    ]
    return f"{struct.message_name}{{{', '.join(entries)}}}"


def _loop(loop: Any) -> str:
    if loop.iter_var == UNUSED:
        return f"cel.bind({loop.accu_var}, {to_text(loop.accu_init)}, {to_text(loop.result)})"
    over, step = _within(loop.iter_range, _PRIMARY), loop.loop_step.call_expr
    names = [name for name in (loop.iter_var, loop.iter_var2) if name]
    match loop.accu_init.WhichOneof("expr_kind"):
        case "list_expr" if loop.iter_var2:
            macro, parts = "transformList", _fold_list(None, step)[1]
        case "list_expr":
            macro, parts = _fold_list(loop.iter_var, step)
        case _:
            macro, parts = _fold_test(step, len(names))
    return f"{over}.{macro}({', '.join([*names, *map(to_text, parts)])})"


def _fold_test(step: Any, variables: int) -> tuple[str, list[Node]]:
    if step.function == "_?_:_":
        return ("exists_one" if variables == 1 else "existsOne"), [step.args[0]]
    return ("all" if step.function == "_&&_" else "exists"), [step.args[1]]


def _fold_list(name: str | None, step: Any) -> tuple[str, list[Node]]:
    if step.function != "_?_:_":
        return "map", [step.args[1].list_expr.elements[0]]
    element = step.args[1].call_expr.args[1].list_expr.elements[0]
    if name is not None and element.ident_expr.name == name:
        return "filter", [step.args[0]]
    return "map", [step.args[0], element]


_PRIMARIES: dict[str, Callable[[Any], str]] = {
    "const_expr": _constant,
    "ident_expr": lambda ident: str(ident.name),
    "select_expr": _select,
    "list_expr": lambda made: f"[{', '.join(_elements(made))}]",
    "struct_expr": _struct,
    "comprehension_expr": _loop,
}


def names_in(node: Node) -> frozenset[str]:
    """Return the names of the variables that an expression reads, except the variables of its own loops."""
    return frozenset(_free(node, frozenset()))


def _free(node: Node, bound: frozenset[str]) -> Iterator[str]:
    match node.WhichOneof("expr_kind"):
        case "ident_expr":
            if node.ident_expr.name not in bound:
                yield node.ident_expr.name
        case "comprehension_expr":
            loop = node.comprehension_expr
            inner = bound | {loop.accu_var}
            turn = inner | {loop.iter_var, loop.iter_var2}
            yield from _free(loop.iter_range, bound)
            yield from _free(loop.accu_init, bound)
            yield from _free(loop.loop_condition, turn)
            yield from _free(loop.loop_step, turn)
            yield from _free(loop.result, inner)
        case _:
            for part in children_of(node):
                yield from _free(part, bound)


def localize(node: Node, container: str) -> Node:
    """Return a copy of an expression in which the names are written without the container's prefix."""
    copy = type(node)()
    copy.CopyFrom(node)
    for one in walk(copy):
        if one.WhichOneof("expr_kind") == "ident_expr":
            one.ident_expr.name = one.ident_expr.name.removeprefix(f"{container}.")
    return copy
