"""Estimates the cost of an expression when it is loaded.

The engine only limits the number of loop iterations. But one iteration may take a long
time, and each operation may double the size of a text. So the cost of each expression
is estimated when the expression is loaded. An expression that costs too much is refused.

The estimate is an upper bound. For a request field, the estimate uses the largest size
that the field's constraints allow. For a field without a constraint, the estimate uses the
size that `InputLimits` allows. A request that exceeds this size is not evaluated (see
gateway/policy/input_size.py). For a parameter, the estimate uses the actual size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.expressions.costs import (
    COMPARISONS,
    ELEMENT_BYTES,
    READS_NOTHING,
    RESULTS,
    SCALAR,
    SCALAR_BYTES,
    SEARCHES,
    SETS,
    Cost,
    concatenated,
    same,
)
from gateway.expressions.errors import CostLimitError
from gateway.expressions.functions import COMPUTED_NAMES
from gateway.expressions.syntax import is_variable_binding, names_in
from gateway.schema import descriptor_of, read_sizes, value_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import FieldDescriptor

    from gateway.expressions.input_limits import InputLimits
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

_LOOKUP_STEPS = 16  # the number of steps to look up a result
_FUNCTION_STEPS = {"objectStorage": 128, "inCidr": 128, "compareVersion": 160}  # steps to compute one result
_OTHER_FUNCTION_STEPS = 32
_EVALUATION_STEPS = 16  # the number of steps for an argument that the engine evaluates
_SELECTIONS = {"_[_]", "_[?_]", "_?._"}
_SET_STEPS = 1  # the number of steps to compare two elements
_ELEMENT_STEPS = 8  # the number of steps to pass one element of a collection to a function of the gateway
_BYTES_A_STEP = 64  # the number of bytes that one step copies or reads
_COMPARED_A_STEP = 256  # the number of bytes that one step compares
_PAIRS_A_STEP = 4096  # the number of pairs of bytes that one step of a text search compares
# The number of elements that one step copies. A loop that builds a list copies the list in each iteration.
# On average, the copied list has half of its final length.
_COPIES_A_STEP = 6


_SMALLEST_TEXT, _SMALLEST_COLLECTION = (
    1024,
    64,
)  # the minimum sizes that the estimate of a field uses, even if the constraints allow less
_TEXT_TYPES = {5, 6}  # STRING and BYTES in cel.expr.Type.PrimitiveType


_ENTRY_BYTES = 128  # the bytes of an entry in a table of results, without the texts of the entry
_EVALUATED_ENTRY_BYTES = 512  # the additional bytes of an entry whose key the engine evaluates
_LINK_BYTES = 1024  # the bytes of a link in a table, without the texts of the link
# The number of bytes of a table that count as one step. Tables stay in memory until the decision is made.
_TABLE_BYTES_A_STEP = 32
# The number of keys of a table that one step copies. Each iteration copies the list of the keys.
_GATHERED_A_STEP = 4


class CostEstimator:
    """Estimates the cost of one expression."""

    def __init__(self, types: Mapping[int, Any], schema: Schema, limits: InputLimits) -> None:
        """Create an estimator for one expression.

        Args:
            types: the types of the expression's nodes, keyed by node ID.
            schema: the schema that contains the constraints of fields.
            limits: the limits for fields without constraints.
        """
        self._types = types
        self._schema = schema
        self._limits = limits
        text = max(limits.text, _SMALLEST_TEXT)
        self._message = Cost(max(limits.elements, _SMALLEST_COLLECTION), limits.message)
        self._text = Cost(text, text)
        self._table_steps = 0

    def estimate(self, root: Node, scope: Mapping[str, Cost]) -> Cost:
        """Return the cost of the expression.

        Args:
            root: the root node of the expression.
            scope: the costs of variables, keyed by name. Any other variable has the usual cost of its type.

        Raises:
            CostLimitError: the expression costs too much.
        """
        self._table_steps = 0
        return _check(self._cost(root, scope).after(self._table_steps))

    def _cost(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        return _check(self._cost_of_kind(node, scope))

    def _cost_of_kind(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        match node.WhichOneof("expr_kind"):
            case "ident_expr":
                return scope.get(node.ident_expr.name) or self._usual(self._types.get(node.id))
            case "select_expr":
                return self._select(node, scope)
            case "call_expr":
                return self._call(node, scope)
            case "comprehension_expr":
                return self._loop(node, scope)
            case "list_expr" | "struct_expr":
                return self._collection(node, scope)
        size = len(node.const_expr.string_value.encode() or node.const_expr.bytes_value)
        return Cost(size, size) if size else SCALAR

    def _select(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        """Estimate the cost of a field or of a map entry. The constraints of a field limit the estimate."""
        operand = node.select_expr.operand
        kind, whole = self._types.get(operand.id), self._cost(operand, scope)
        if kind is None or not kind.message_type or node.select_expr.test_only:
            return self._part(whole, self._types.get(node.id))
        descriptor = descriptor_of(self._schema.message(kind.message_type))
        field = descriptor.fields_by_name.get(node.select_expr.field)
        usual = self._usual(self._types.get(node.id)) if field is None else self._field(field)
        return self._limited(whole, usual)

    def _field(self, field: FieldDescriptor) -> Cost:
        sizes = read_sizes(field)
        elements = self._limits.elements if sizes.elements is None else sizes.elements
        elements = max(elements, _SMALLEST_COLLECTION)
        kind = value_field(field)
        if kind.message_type is not None:
            return Cost(elements, self._message.size)
        text = self._limits.text if sizes.text is None else sizes.text
        text = max(text, _SMALLEST_TEXT) if sizes.text != 0 else SCALAR_BYTES
        if field.is_repeated:
            key = self._limits.text if sizes.key is None else sizes.key
            return Cost(elements, elements * (text + key))
        return Cost(text, text) if sizes.text != 0 else SCALAR

    def _limited(self, whole: Cost, usual: Cost) -> Cost:
        return Cost(usual.count, min(whole.size, usual.size), whole.steps)

    def _part(self, whole: Cost, kind: Any) -> Cost:
        """Estimate the cost of an element of a collection.

        Args:
            whole: the cost of the collection.
            kind: the type of the element; None if the type is dynamic.
        """
        usual = self._usual(kind)
        average = whole.size // max(whole.count, 1)
        return self._of_type(min(whole.size, max(usual.size, average)), whole, usual).after(whole.steps)

    def _element(self, over: Cost, loop: Any) -> Cost:
        """Estimate the cost of an element of the list or map that a loop iterates over.

        The estimated size is the average size of the elements, because only the sum of all sizes matters.
        """
        kind = self._types.get(loop.iter_range.id)
        if kind is None:
            return self._of_type(over.size // max(over.count, 1), over, self._message)
        inner = kind.list_type.elem_type if kind.HasField("list_type") else kind.map_type.key_type
        return self._of_type(over.size // max(over.count, 1), over, self._usual(inner))

    def _turn(self, over: Cost, loop: Any) -> dict[str, Cost]:
        """Estimate the costs of the variables of a loop.

        If a loop has one variable, the variable is the element of a list or the key of a map. If a
        loop has two variables, they are the index and the element of a list, or the key and the value
        of a map entry.
        """
        element = self._element(over, loop)
        if not loop.iter_var2:
            return {loop.iter_var: element}
        kind = self._types.get(loop.iter_range.id)
        if kind is not None and kind.HasField("list_type"):
            return {loop.iter_var: SCALAR, loop.iter_var2: element}
        value = None if kind is None else kind.map_type.value_type
        return {loop.iter_var: element, loop.iter_var2: self._part(over, value)}

    def _of_type(self, size: int, whole: Cost, usual: Cost) -> Cost:
        if usual is self._text:
            return Cost(size, size)
        is_message = (whole.count, whole.size) == (self._message.count, self._message.size)
        return Cost(usual.count if is_message else max(usual.count, size // ELEMENT_BYTES), size)

    def _usual(self, kind: Any) -> Cost:
        form = None if kind is None else kind.WhichOneof("type_kind")
        if form not in {"primitive", "wrapper"}:
            return self._message
        return self._text if getattr(kind, form) in _TEXT_TYPES else SCALAR

    def _collection(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        if node.WhichOneof("expr_kind") == "list_expr":
            parts = list(node.list_expr.elements)
        else:
            entries = node.struct_expr.entries
            parts = [entry.map_key for entry in entries if entry.HasField("map_key")]
            parts += [entry.value for entry in entries]
        costs = [self._cost(part, scope) for part in parts]
        largest = max((cost.size for cost in costs), default=0)
        steps = sum(cost.steps for cost in costs) + 1
        return Cost(len(costs), len(costs) * (largest + ELEMENT_BYTES), steps)

    def _call(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        call = node.call_expr
        nodes = [call.target, *call.args] if call.HasField("target") else list(call.args)
        given = [self._cost(node, scope) for node in nodes]
        steps = sum(cost.steps for cost in given) + 1
        if call.function in _SELECTIONS:
            return self._part(given[0], self._types.get(node.id)).after(given[1].steps)
        if call.function in COMPUTED_NAMES:
            self._table_steps += self._computation(call.function, nodes, given, scope)
            steps += _LOOKUP_STEPS + _EVALUATION_STEPS * sum(not _is_read(one) for one in nodes)
            steps += sum(
                cost.count * _ELEMENT_STEPS if self._is_collection(one) else cost.size // _BYTES_A_STEP
                for one, cost in zip(nodes, given, strict=True)
            )
            return self._usual(self._types.get(node.id)).after(steps)
        is_list_sum = call.function == "_+_" and self._is_collection(node)
        result = concatenated(given) if is_list_sum else RESULTS.get(call.function, same)(given)
        steps += result.size // _BYTES_A_STEP + self._reading(call, nodes, given)
        return Cost(result.count, result.size, steps)

    def _computation(
        self, function: str, nodes: list[Node], given: list[Cost], scope: Mapping[str, Cost]
    ) -> int:
        """Return the number of steps to compute all results of a function call.

        One result is computed for each iteration of the loops that the arguments depend on.
        """
        loops = [_loops_of(one, scope) for one in nodes]
        entries, gathered = 1, 0
        for _, turns in sorted(frozenset[tuple[int, int]]().union(*loops)):
            gathered += entries * turns**2 // _GATHERED_A_STEP
            entries *= turns
        steps = _FUNCTION_STEPS.get(function, _OTHER_FUNCTION_STEPS)
        if not gathered:
            return steps
        sizes = [self._text_size(node, cost) for node, cost in zip(nodes, given, strict=True)]
        evaluated = [size for node, size in zip(nodes, sizes, strict=True) if not _is_read(node)]
        size = _ENTRY_BYTES + sum(one for one, around in zip(sizes, loops, strict=True) if around)
        size += sum(_EVALUATED_ENTRY_BYTES + 2 * one for one in evaluated)
        if function == "objectStorage":
            size += _LINK_BYTES + 2 * sizes[0]
        return entries * (steps + size // _TABLE_BYTES_A_STEP) + (gathered if evaluated else 0)

    def _text_size(self, node: Node, cost: Cost) -> int:
        """Return the size of an argument that has to be a text.

        For an argument of a dynamic type, the size is at most the size of the largest text.
        """
        is_text = self._usual(self._types.get(node.id)) is self._text
        return cost.size if is_text else min(cost.size, self._text.size)

    def _reading(self, call: Any, nodes: list[Node], given: list[Cost]) -> int:
        """Return the number of steps that a function needs to read its arguments."""
        function, sizes = call.function, [cost.size for cost in given]
        if function in READS_NOTHING or (function == "size" and self._is_collection(nodes[0])):
            return 0
        if function == "@in":
            return (sizes[0] if self._is_map(nodes[1]) else sizes[1]) // _COMPARED_A_STEP
        if function in COMPARISONS:
            return min(sizes) // _COMPARED_A_STEP
        if function in SETS:
            return given[0].count * given[1].count * _SET_STEPS + sum(sizes) // _BYTES_A_STEP
        if function == "sort":
            return sizes[0] // _BYTES_A_STEP + given[0].count * given[0].count.bit_length()
        searched = sizes[0] * sizes[1] // _PAIRS_A_STEP if function in SEARCHES else 0
        return sum(sizes) // _BYTES_A_STEP + searched

    def _is_map(self, node: Node) -> bool:
        kind = self._types.get(node.id)
        return kind is not None and kind.HasField("map_type")

    def _is_collection(self, node: Node) -> bool:
        kind = self._types.get(node.id)
        return kind is not None and kind.WhichOneof("type_kind") in {"list_type", "map_type"}

    def _loop(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        loop = node.comprehension_expr
        start = self._cost(loop.accu_init, scope)
        if is_variable_binding(node):
            # The value of the variable is evaluated only once, even if it is read several times.
            known = Cost(start.count, start.size, loops=_loops_of(loop.accu_init, scope))
            return self._cost(loop.result, {**scope, loop.accu_var: known}).after(start.steps)
        over = self._cost(loop.iter_range, scope)
        depth = max((depth for cost in scope.values() for depth, _ in cost.loops), default=0) + 1
        loops = _loops_of(loop.iter_range, scope) | {(depth, over.count)}
        inner = {
            **scope,
            **{name: replace(cost, loops=loops) for name, cost in self._turn(over, loop).items()},
            loop.accu_var: Cost(start.count, start.size),
        }
        turn = self._cost(loop.loop_step, inner)
        gathered = Cost(
            start.count + over.count * max(turn.count - start.count, 0),
            start.size + over.count * max(turn.size - start.size, 0),
        )
        steps = over.steps + start.steps + over.count * (turn.steps + 2)
        if self._is_map(loop.iter_range) and not _is_read(loop.iter_range):  # the loop needs sorted keys
            steps += over.count * over.count.bit_length() + over.count**2 // _COPIES_A_STEP
        if loop.accu_init.HasField("list_expr"):
            steps += over.count * gathered.count // _COPIES_A_STEP
        return self._cost(loop.result, {**inner, loop.accu_var: gathered}).after(steps)


def _check(cost: Cost) -> Cost:
    if fault := cost.fault:
        raise CostLimitError(fault)
    return cost


def _loops_of(node: Node, scope: Mapping[str, Cost]) -> frozenset[tuple[int, int]]:
    """Return the loops that a part depends on. Each loop is a pair of its depth and its iteration count."""
    known = (scope[name].loops for name in names_in(node) if name in scope)
    return frozenset[tuple[int, int]]().union(*known)


def _is_read(node: Node) -> bool:
    """Return whether the gateway can read the value of a part without the engine.

    Such parts are names, literals, fields, map entries and calls of the gateway's functions.
    """
    match node.WhichOneof("expr_kind"):
        case "ident_expr" | "const_expr":
            return True
        case "select_expr":
            return _is_read(node.select_expr.operand)
        case "call_expr":
            call = node.call_expr
            return call.function in COMPUTED_NAMES or (
                call.function == "_[_]" and all(map(_is_read, call.args))
            )
    return False
