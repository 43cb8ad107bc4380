"""Estimates the cost of an expression when it is loaded.

The engine limits the turns of loops and nothing else, though a turn may take long
and a text can double with each step. So the cost of each expression is estimated
when it is loaded, and one that costs too much is refused.

The estimate is an upper bound. A field of the request counts as large as its
constraints allow. A field without a constraint counts as large as `InputLimits`
allow; no larger request is evaluated (gateway/policy/input_size.py). Parameters
count with their actual size.
"""

from __future__ import annotations

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
from gateway.expressions.functions import COMPUTED_NAMES
from gateway.expressions.syntax import is_variable_binding
from gateway.schema import descriptor_of, read_sizes, value_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import FieldDescriptor

    from gateway.expressions.input_limits import InputLimits
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

_FUNCTION_STEPS = 16  # one of the gateway's own functions: computed once for each text, then looked up
_EVALUATION_STEPS = 16  # an argument that is not read but evaluated
_SELECTIONS = {"_[_]", "_[?_]", "_?._"}
_SET_STEPS = 1  # to compare two elements
_ELEMENT_STEPS = 8  # to hand an element of a collection to one of them
_BYTES_A_STEP = 64  # what a step copies or reads of a text or a collection
_COMPARED_A_STEP = 256  # what it compares of a collection
_PAIRS_A_STEP = 4096  # of a byte of a text and one of what is searched for in it
_COPIES_A_STEP = 6  # a loop that gathers a list copies it at each turn, half of it on average


_SMALLEST_TEXT, _SMALLEST_COLLECTION = 1024, 64  # what a field counts as though its constraints allow less
_TEXT_TYPES = {5, 6}  # STRING and BYTES of cel.expr.Type.PrimitiveType


class CostLimitError(ValueError):
    """An expression may not be run; the message says why."""


class CostEstimator:
    """Estimates the cost of one expression."""

    def __init__(self, types: Mapping[int, Any], schema: Schema, limits: InputLimits) -> None:
        """Prepare.

        Args:
            types: of the parts of the expression, by their ids.
            schema: with the constraints of fields.
            limits: of what constraints do not bound.
        """
        self._types = types
        self._schema = schema
        self._limits = limits
        text = max(limits.text, _SMALLEST_TEXT)
        self._message = Cost(max(limits.elements, _SMALLEST_COLLECTION), limits.message)
        self._text = Cost(text, text)

    def estimate(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        """Return the cost of a part of the expression.

        Args:
            node: the part.
            scope: costs of the variables that are known; the others count as messages.

        Raises:
            CostLimitError: it could take too much.
        """
        cost = self._estimate(node, scope)
        if fault := cost.fault:
            raise CostLimitError(fault)
        return cost

    def _estimate(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
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
        """Estimate a field of a message, by its constraints, or an entry of a map."""
        operand = node.select_expr.operand
        kind, whole = self._types.get(operand.id), self.estimate(operand, scope)
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
        """Estimate an element of a value, of a type; the type is None when it is dynamic."""
        usual = self._usual(kind)
        average = whole.size // max(whole.count, 1)
        return self._of_type(min(whole.size, max(usual.size, average)), whole, usual).after(whole.steps)

    def _element(self, over: Cost, loop: Any) -> Cost:
        """Estimate an element of the range of a loop. Only the sum counts, so each has the average size."""
        kind = self._types.get(loop.iter_range.id)
        if kind is None:
            return self._of_type(over.size // max(over.count, 1), over, self._message)
        inner = kind.list_type.elem_type if kind.HasField("list_type") else kind.map_type.key_type
        return self._of_type(over.size // max(over.count, 1), over, self._usual(inner))

    def _turn(self, over: Cost, loop: Any) -> dict[str, Cost]:
        """Estimate the variables of a loop: element or key; with two, index and element, or key and value."""
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
        if kind is None or not kind.HasField("primitive"):
            return self._message
        return self._text if kind.primitive in _TEXT_TYPES else SCALAR

    def _collection(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        if node.WhichOneof("expr_kind") == "list_expr":
            parts = list(node.list_expr.elements)
        else:
            entries = node.struct_expr.entries
            parts = [entry.map_key for entry in entries if entry.HasField("map_key")]
            parts += [entry.value for entry in entries]
        costs = [self.estimate(part, scope) for part in parts]
        largest = max((cost.size for cost in costs), default=0)
        steps = sum(cost.steps for cost in costs) + 1
        return Cost(len(costs), len(costs) * (largest + ELEMENT_BYTES), steps)

    def _call(self, node: Node, scope: Mapping[str, Cost]) -> Cost:
        call = node.call_expr
        nodes = [call.target, *call.args] if call.HasField("target") else list(call.args)
        given = [self.estimate(node, scope) for node in nodes]
        steps = sum(cost.steps for cost in given) + 1
        if call.function in _SELECTIONS:
            return self._part(given[0], self._types.get(node.id)).after(given[1].steps)
        if call.function in COMPUTED_NAMES:
            steps += _FUNCTION_STEPS + _EVALUATION_STEPS * sum(not _is_read(one) for one in nodes)
            steps += sum(
                cost.count * _ELEMENT_STEPS if self._is_collection(one) else cost.size // _BYTES_A_STEP
                for one, cost in zip(nodes, given, strict=True)
            )
            return self._usual(self._types.get(node.id)).after(steps)
        is_list_sum = call.function == "_+_" and self._is_collection(node)
        result = concatenated(given) if is_list_sum else RESULTS.get(call.function, same)(given)
        steps += result.size // _BYTES_A_STEP + self._reading(call, nodes, given)
        return Cost(result.count, result.size, steps)

    def _reading(self, call: Any, nodes: list[Node], given: list[Cost]) -> int:
        """Return the steps that it takes to read what a function is given."""
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
        start = self.estimate(loop.accu_init, scope)
        if is_variable_binding(node):
            # It is found once, however often it is named.
            known = Cost(start.count, start.size)
            return self.estimate(loop.result, {**scope, loop.accu_var: known}).after(start.steps)
        over = self.estimate(loop.iter_range, scope)
        inner = {
            **scope,
            **self._turn(over, loop),
            loop.accu_var: Cost(start.count, start.size),
        }
        turn = self.estimate(loop.loop_step, inner)
        gathered = Cost(
            start.count + over.count * max(turn.count - start.count, 0),
            start.size + over.count * max(turn.size - start.size, 0),
        )
        steps = over.steps + start.steps + over.count * (turn.steps + 2)
        if self._is_map(loop.iter_range) and not _is_read(loop.iter_range):  # its keys are sorted first
            steps += over.count * over.count.bit_length() + over.count**2 // _COPIES_A_STEP
        if loop.accu_init.HasField("list_expr"):
            steps += over.count * gathered.count // _COPIES_A_STEP
        return self.estimate(loop.result, {**inner, loop.accu_var: gathered}).after(steps)


def _is_read(node: Node) -> bool:
    """Whether the gateway reads a value without the engine: a name, a field, a literal, a result."""
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
