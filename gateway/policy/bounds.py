"""How much an expression can take, found out before it is ever run.

The engine counts the turns of loops and nothing else: time goes into what a turn
does, and a text can double with each step. So each expression is weighed when it
is loaded, for requests of a usual size, and one that is too heavy is refused.

What is weighed is an upper estimate. A message field counts as a text of
`_TEXT_BYTES` and a collection of `_ELEMENTS`, which is what the constraints of
the cloud's own methods allow; parameters count as what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.policy.syntax import is_variable_binding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.policy.syntax import Node

MAX_STEPS = 400_000
"""A step is some 50 ns, so this is some 20 ms for one expression."""

MAX_BYTES = 16 * 1024 * 1024

_TEXT_BYTES = 1024
_ELEMENTS = 64
_SCALAR_BYTES = 32
_FUNCTION_STEPS = 40  # one of the gateway's own functions: the engine calls into Python and back
_BYTES_A_STEP = 64  # what a step copies or compares of a text


@dataclass(frozen=True, slots=True)
class Weight:
    """An upper estimate of a value and of what it takes to find it.

    Attributes:
        count: elements of a list or map, characters of a text.
        size: bytes of all that it holds.
        steps: taken to find it.
    """

    count: int
    size: int
    steps: int = 1

    def after(self, steps: int) -> Weight:
        """Return the same value, found after further steps."""
        return Weight(self.count, self.size, self.steps + steps)

    @property
    def fault(self) -> str | None:
        """Why this is too much, or None."""
        if self.steps > MAX_STEPS:
            return (
                f"takes too long: up to {self.steps:,} steps, {MAX_STEPS:,} are allowed; nest fewer loops, "
                "and call functions outside of them"
            )
        if self.size > MAX_BYTES:
            return (
                f"makes texts too large: up to {self.size:,} bytes, {MAX_BYTES:,} are allowed; put texts "
                "together fewer times"
            )
        return None


_MESSAGE = Weight(_ELEMENTS, _ELEMENTS * _TEXT_BYTES)
_TEXT = Weight(_TEXT_BYTES, _TEXT_BYTES)
_SCALAR = Weight(1, _SCALAR_BYTES)
_TEXT_TYPES = {5, 6}  # STRING and BYTES of cel.expr.Type.PrimitiveType


def weigh_value(value: Any) -> Weight:
    """Weigh the value of a parameter."""
    if isinstance(value, str):
        return Weight(len(value), len(value.encode()))
    if isinstance(value, list):
        return Weight(len(value), sum(weigh_value(one).size for one in value))
    if isinstance(value, dict):
        return Weight(len(value), sum(len(key) + weigh_value(one).size for key, one in value.items()))
    return _SCALAR


class _TooHeavyError(Exception):
    pass


def find_excess(checked: Any, values: Mapping[str, Weight], own_functions: frozenset[str]) -> str | None:
    """Return why an expression may not be run, or None.

    Args:
        checked: the expression, a cel.expr.CheckedExpr.
        values: weights of the variables that are known; the others count as messages.
        own_functions: names of the functions that the gateway adds to CEL.
    """
    try:
        _Scale(checked.type_map, own_functions).weigh(checked.expr, values)
    except _TooHeavyError as error:
        return str(error)
    return None


class _Scale:
    def __init__(self, types: Mapping[int, Any], own_functions: frozenset[str]) -> None:
        self._types = types
        self._own_functions = own_functions

    def weigh(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        weight = self._weigh(node, scope)
        if fault := weight.fault:
            raise _TooHeavyError(fault)
        return weight

    def _weigh(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        match node.WhichOneof("expr_kind"):
            case "ident_expr":
                return scope.get(node.ident_expr.name, _MESSAGE)
            case "select_expr":
                return self._part(self.weigh(node.select_expr.operand, scope), self._types.get(node.id))
            case "call_expr":
                return self._call(node, scope)
            case "comprehension_expr":
                return self._loop(node, scope)
            case "list_expr" | "struct_expr":
                return self._collection(node, scope)
        size = len(node.const_expr.string_value or node.const_expr.bytes_value)
        return Weight(size, size) if size else _SCALAR

    def _part(self, whole: Weight, kind: Any) -> Weight:
        """Weigh a field or an element of a value, of a type; the type is None when it is dynamic."""
        usual = _usual(kind)
        size = min(whole.size, max(usual.size, whole.size // max(whole.count, 1)))
        return Weight(size if usual is _TEXT else usual.count, size, whole.steps + 1)

    def _element(self, over: Weight, loop: Any) -> Weight:
        kind = self._types.get(loop.iter_range.id)
        if kind is None:
            return self._part(over, None).after(-over.steps)
        inner = kind.list_type.elem_type if kind.HasField("list_type") else kind.map_type.key_type
        return self._part(over, inner).after(-over.steps)

    def _collection(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        if node.WhichOneof("expr_kind") == "list_expr":
            parts = list(node.list_expr.elements)
        else:
            entries = node.struct_expr.entries
            parts = [entry.map_key for entry in entries if entry.HasField("map_key")]
            parts += [entry.value for entry in entries]
        weights = [self.weigh(part, scope) for part in parts]
        return _together(weights, count=len(weights))

    def _call(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        call = node.call_expr
        nodes = [call.target, *call.args] if call.HasField("target") else list(call.args)
        given = [self.weigh(node, scope) for node in nodes]
        steps = sum(weight.steps for weight in given) + 1
        if call.function == "_[_]":
            return self._part(given[0], self._types.get(node.id)).after(given[1].steps)
        if call.function in self._own_functions:
            longest = max((weight.size for weight in given), default=0)
            return Weight(_ELEMENTS, _MESSAGE.size, steps + _FUNCTION_STEPS + longest // _BYTES_A_STEP)
        result = _RESULTS.get(call.function, _same)(given)
        return Weight(result.count, result.size, steps + result.size // _BYTES_A_STEP)

    def _loop(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        loop = node.comprehension_expr
        start = self.weigh(loop.accu_init, scope)
        if is_variable_binding(node):
            return self.weigh(loop.result, {**scope, loop.accu_var: start}).after(start.steps)
        over = self.weigh(loop.iter_range, scope)
        inner = {
            **scope,
            loop.iter_var: self._element(over, loop),
            loop.accu_var: Weight(start.count, start.size),
        }
        turn = self.weigh(loop.loop_step, inner)
        gathered = Weight(
            start.count + over.count * max(turn.count - start.count, 0),
            start.size + over.count * max(turn.size - start.size, 0),
        )
        steps = over.steps + start.steps + over.count * (turn.steps + 2)
        return self.weigh(loop.result, {**inner, loop.accu_var: gathered}).after(steps)


def _usual(kind: Any) -> Weight:
    if kind is None or kind.WhichOneof("type_kind") != "primitive":
        return _MESSAGE
    return _TEXT if kind.primitive in _TEXT_TYPES else _SCALAR


def _together(weights: list[Weight], count: int | None = None) -> Weight:
    return Weight(
        sum(weight.count for weight in weights) if count is None else count,
        sum(weight.size for weight in weights) + _SCALAR_BYTES,
        sum(weight.steps for weight in weights) + 1,
    )


def _same(given: list[Weight]) -> Weight:
    """Weigh what gives a part of what it is given, or a value of one machine word."""
    return Weight(
        max((one.count for one in given), default=1), max((one.size for one in given), default=_SCALAR_BYTES)
    )


def _scalar(_given: list[Weight]) -> Weight:
    return _SCALAR


def _replace(given: list[Weight]) -> Weight:
    text, _, new = given[:3]
    # Every character may be one to replace, and an empty text stands between all of them.
    size = (text.size + 1) * (new.size + 1)
    return Weight(size, size)


def _join(given: list[Weight]) -> Weight:
    separator = given[1].size if len(given) > 1 else 0
    size = given[0].size + given[0].count * separator
    return Weight(size, size)


def _split(given: list[Weight]) -> Weight:
    return Weight(given[0].size + 1, given[0].size)


def _quote(given: list[Weight]) -> Weight:
    return Weight(given[0].count * 2, given[0].size * 2)


_RESULTS: dict[str, Callable[[list[Weight]], Weight]] = {
    **dict.fromkeys(("_+_", "format"), _together),
    **dict.fromkeys(
        ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_&&_", "_||_", "!_", "size", "startsWith",
         "endsWith", "contains", "indexOf", "lastIndexOf", "@not_strictly_false", "int", "uint", "double"),
        _scalar,
    ),
    "replace": _replace,
    "join": _join,
    "split": _split,
    "strings.quote": _quote,
}  # fmt: skip
