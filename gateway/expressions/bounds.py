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

from gateway.expressions.functions import COMPUTED_NAMES
from gateway.expressions.syntax import is_variable_binding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.expressions.syntax import Node

MAX_STEPS = 400_000
"""A step is some 50 ns, so this is some 20 ms for one expression."""

MAX_STEPS_OF_A_METHOD = 4_000_000
"""Of all expressions that one call may need: a bundle that passes rule by rule may be too much as a whole."""

MAX_BYTES = 2 * 1024 * 1024
"""Of one value; what an expression makes stays in memory until the decision is made."""

_TEXT_BYTES = 1024
_ELEMENTS = 64
_SCALAR_BYTES = 32
_ELEMENT_BYTES = 64  # what an element takes beside the bytes of its text
_FUNCTION_STEPS = 40  # one of the gateway's own functions: the engine calls into Python and back
_ELEMENT_STEPS = 8  # to hand an element of a collection to one of them
_BYTES_A_STEP = 64  # what a step copies or reads of a text or a collection
_COMPARED_A_STEP = 256  # what it compares of a collection
_PAIRS_A_STEP = 4096  # of a byte of a text and one of what is searched for in it
_COPIES_A_STEP = 6  # a loop that gathers a list copies it at each turn, half of it on average
_CLAUSE_BYTES = 1400  # the longest that a clause of a format makes of a number: %.1000f


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
    """Weigh the value of a parameter; in a collection every element counts as the largest one."""
    if isinstance(value, str):
        return Weight(len(value), len(value.encode()))
    if isinstance(value, (list, dict)):
        elements = [*value, *value.values()] if isinstance(value, dict) else value
        largest = max((weigh_value(one).size for one in elements), default=0)
        return Weight(len(value), len(elements) * (largest + _ELEMENT_BYTES))
    return _SCALAR


class TooHeavyError(ValueError):
    """An expression may not be run; the message says why."""


def weigh_expression(checked: Any, values: Mapping[str, Weight]) -> Weight:
    """Weigh an expression.

    Args:
        checked: the expression, a cel.expr.CheckedExpr.
        values: weights of the variables that are known; the others count as messages.

    Raises:
        TooHeavyError: it could take too much.
    """
    return _Scale(checked.type_map).weigh(checked.expr, values)


class _Scale:
    def __init__(self, types: Mapping[int, Any]) -> None:
        self._types = types

    def weigh(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        weight = self._weigh(node, scope)
        if fault := weight.fault:
            raise TooHeavyError(fault)
        return weight

    def _weigh(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        match node.WhichOneof("expr_kind"):
            case "ident_expr":
                return scope.get(node.ident_expr.name) or _usual(self._types.get(node.id))
            case "select_expr":
                return self._part(self.weigh(node.select_expr.operand, scope), self._types.get(node.id))
            case "call_expr":
                return self._call(node, scope)
            case "comprehension_expr":
                return self._loop(node, scope)
            case "list_expr" | "struct_expr":
                return self._collection(node, scope)
        size = len(node.const_expr.string_value.encode() or node.const_expr.bytes_value)
        return Weight(size, size) if size else _SCALAR

    def _part(self, whole: Weight, kind: Any) -> Weight:
        """Weigh a field or an element of a value, of a type; the type is None when it is dynamic."""
        usual = _usual(kind)
        average = whole.size // max(whole.count, 1)
        return self._of_type(min(whole.size, max(usual.size, average)), whole, usual).after(whole.steps)

    def _element(self, over: Weight, loop: Any) -> Weight:
        """Weigh what a loop goes over: the sum is what counts, so each is as large as they are on average."""
        kind = self._types.get(loop.iter_range.id)
        if kind is None:
            return self._of_type(over.size // max(over.count, 1), over, _MESSAGE)
        inner = kind.list_type.elem_type if kind.HasField("list_type") else kind.map_type.key_type
        return self._of_type(over.size // max(over.count, 1), over, _usual(inner))

    def _of_type(self, size: int, whole: Weight, usual: Weight) -> Weight:
        if usual is _TEXT:
            return Weight(size, size)
        is_message = (whole.count, whole.size) == (_MESSAGE.count, _MESSAGE.size)
        return Weight(usual.count if is_message else max(usual.count, size // _ELEMENT_BYTES), size)

    def _collection(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        if node.WhichOneof("expr_kind") == "list_expr":
            parts = list(node.list_expr.elements)
        else:
            entries = node.struct_expr.entries
            parts = [entry.map_key for entry in entries if entry.HasField("map_key")]
            parts += [entry.value for entry in entries]
        weights = [self.weigh(part, scope) for part in parts]
        largest = max((weight.size for weight in weights), default=0)
        steps = sum(weight.steps for weight in weights) + 1
        return Weight(len(weights), len(weights) * (largest + _ELEMENT_BYTES), steps)

    def _call(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        call = node.call_expr
        nodes = [call.target, *call.args] if call.HasField("target") else list(call.args)
        given = [self.weigh(node, scope) for node in nodes]
        steps = sum(weight.steps for weight in given) + 1
        if call.function == "_[_]":
            return self._part(given[0], self._types.get(node.id)).after(given[1].steps)
        if call.function in COMPUTED_NAMES:
            steps += _FUNCTION_STEPS + sum(
                weight.count * _ELEMENT_STEPS if self._is_collection(one) else weight.size // _BYTES_A_STEP
                for one, weight in zip(nodes, given, strict=True)
            )
            return Weight(_ELEMENTS, _MESSAGE.size, steps)
        is_list_sum = call.function == "_+_" and self._is_collection(node)
        result = _concatenated(given) if is_list_sum else _RESULTS.get(call.function, _same)(given)
        steps += result.size // _BYTES_A_STEP + self._reading(call, nodes, given)
        return Weight(result.count, result.size, steps)

    def _reading(self, call: Any, nodes: list[Node], given: list[Weight]) -> int:
        """Return the steps that it takes to read what a function is given."""
        function, sizes = call.function, [weight.size for weight in given]
        if function in _READS_NOTHING or (function == "size" and self._is_collection(nodes[0])):
            return 0
        if function == "@in":
            return (sizes[0] if self._is_map(nodes[1]) else sizes[1]) // _COMPARED_A_STEP
        if function in _COMPARISONS:
            return min(sizes) // _COMPARED_A_STEP
        searched = sizes[0] * sizes[1] // _PAIRS_A_STEP if function in _SEARCHES else 0
        return sum(sizes) // _BYTES_A_STEP + searched

    def _is_map(self, node: Node) -> bool:
        kind = self._types.get(node.id)
        return kind is not None and kind.HasField("map_type")

    def _is_collection(self, node: Node) -> bool:
        kind = self._types.get(node.id)
        return kind is not None and kind.WhichOneof("type_kind") in {"list_type", "map_type"}

    def _loop(self, node: Node, scope: Mapping[str, Weight]) -> Weight:
        loop = node.comprehension_expr
        start = self.weigh(loop.accu_init, scope)
        if is_variable_binding(node):
            # It is found once, however often it is named.
            known = Weight(start.count, start.size)
            return self.weigh(loop.result, {**scope, loop.accu_var: known}).after(start.steps)
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
        if loop.accu_init.HasField("list_expr"):
            steps += over.count * gathered.count // _COPIES_A_STEP
        return self.weigh(loop.result, {**inner, loop.accu_var: gathered}).after(steps)


def _usual(kind: Any) -> Weight:
    if kind is None or not kind.HasField("primitive"):
        return _MESSAGE
    return _TEXT if kind.primitive in _TEXT_TYPES else _SCALAR


def _together(given: list[Weight]) -> Weight:
    size = sum(one.size for one in given)
    return Weight(size, size)


def _concatenated(given: list[Weight]) -> Weight:
    """Weigh lists put together; every element counts as the largest one."""
    count = sum(one.count for one in given)
    return Weight(count, count * max(-(-one.size // max(one.count, 1)) for one in given))


def _format(given: list[Weight]) -> Weight:
    template, arguments = given
    size = template.size + 2 * arguments.size + arguments.count * _CLAUSE_BYTES  # %x doubles a text
    return Weight(size, size)


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
    texts = max(given[0].size - given[0].count * _ELEMENT_BYTES, 0)
    size = texts + given[0].count * separator
    return Weight(size, size)


def _split(given: list[Weight]) -> Weight:
    count = given[0].size + 1
    return Weight(count, given[0].size + count * _ELEMENT_BYTES)


def _quote(given: list[Weight]) -> Weight:
    return Weight(given[0].count * 2, given[0].size * 2)


_READS_NOTHING = {"_&&_", "_||_", "!_", "_?_:_", "_+_", "@not_strictly_false", "dyn"}
_COMPARISONS = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"}
_SEARCHES = {"contains", "indexOf", "lastIndexOf", "split", "replace"}

_RESULTS: dict[str, Callable[[list[Weight]], Weight]] = {
    "_+_": _together,
    "format": _format,
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
