"""Finds conditions that have the same value for every request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.expressions import EvaluationError
from gateway.expressions.syntax import names_in, to_text

if TYPE_CHECKING:
    from gateway.expressions import Expression
    from gateway.expressions.syntax import Node
    from gateway.policy.program import CompiledBinding

ERROR = "error"
"""The value of a condition that fails for every request."""

_OPPOSITES = {"_==_": "_!=_", "_!=_": "_==_", "_<_": "_>=_", "_>=_": "_<_", "_>_": "_<=_", "_<=_": "_>_"}
_SAME = {"_==_": True, "_!=_": False}
_NEVER_NEGATIVE = {"_>=_": True, "_<_": False}
"""A mapping from an operator to the result of `size(…) <operator> 0`. A size is never negative."""
_JUNCTIONS = {"_||_": True, "_&&_": False}
"""A mapping from `||` and `&&` to the value that one operand must have to decide the result alone."""


def find_truth(binding: CompiledBinding, condition: Expression) -> bool | str | None:
    """Return the value that a condition has for every request: true, false or ERROR.

    Return None if the value depends on the request, or if this module cannot find the value.

    Args:
        binding: the compiled binding that the condition belongs to.
        condition: the compiled condition.
    """
    if not binding.environment.is_constant(condition):
        return _Folder(binding, condition).fold(condition.checked.expr)
    try:
        return condition.is_true(binding.environment.activate(binding.environment.parameters))
    except EvaluationError:
        return ERROR


class _Folder:
    """Finds the value of a condition that reads the request but has the same value for every request.

    The class uses logical laws, such as `x || !x`, which is true for every request.
    """

    def __init__(self, binding: CompiledBinding, condition: Expression) -> None:
        self._binding = binding
        self._condition = condition
        self._parameters = binding.environment.parameters
        self._variables = {
            binding.environment.full_name(name): expression for name, expression in binding.variables
        }

    def fold(self, node: Node) -> bool | None:
        """Return the value that a sub-expression has for every request, or None if no value is found."""
        match node.WhichOneof("expr_kind"):
            case "const_expr":
                is_truth = node.const_expr.WhichOneof("constant_kind") == "bool_value"
                return bool(node.const_expr.bool_value) if is_truth else None
            case "ident_expr" if node.ident_expr.name in self._variables:
                truth = find_truth(self._binding, self._variables[node.ident_expr.name])
                return truth if isinstance(truth, bool) else None
            case "call_expr":
                return self._fold_call(node)
        return self._evaluate(node)

    def _fold_call(self, node: Node) -> bool | None:
        call = node.call_expr
        if call.function in _JUNCTIONS:
            return self._fold_junction(node, decisive=_JUNCTIONS[call.function])
        if call.function == "!_":
            inner = self.fold(call.args[0])
            return None if inner is None else not inner
        if call.function == "_?_:_":
            return self._fold_choice(*call.args)
        if call.function in _NEVER_NEGATIVE and _is_size(call.args[0]) and _is_zero(call.args[1]):
            return _NEVER_NEGATIVE[call.function]
        if call.function in _SAME and to_text(call.args[0]) == to_text(call.args[1]):
            return None if _may_be_nan(self._condition, call.args[0]) else _SAME[call.function]
        return self._evaluate(node)

    def _fold_junction(self, node: Node, *, decisive: bool) -> bool | None:
        operands = list(_operands(node, node.call_expr.function))
        values = [self.fold(one) for one in operands]
        if decisive in values:
            return decisive
        if all(value is not None for value in values):
            return not decisive
        texts = {to_text(one) for one in operands}
        return decisive if any(self._negate(one) in texts for one in operands) else None

    def _negate(self, node: Node) -> str:
        """Return the text of the negation of a condition. `a == b` becomes `a != b`, for example."""
        call = node.call_expr
        if call.function == "!_":
            return to_text(call.args[0])
        opposite = type(node)()
        opposite.CopyFrom(node)
        if call.function in _SAME or (
            call.function in _OPPOSITES and not _may_be_nan(self._condition, call.args[0])
        ):
            opposite.call_expr.function = _OPPOSITES[call.function]
            return to_text(opposite)
        opposite.call_expr.Clear()
        opposite.call_expr.function = "!_"
        opposite.call_expr.args.append(node)
        return to_text(opposite)

    def _fold_choice(self, test: Node, then: Node, other: Node) -> bool | None:
        chosen = self.fold(test)
        if chosen is not None:
            return self.fold(then if chosen else other)
        first, second = self.fold(then), self.fold(other)
        return first if first == second else None

    def _evaluate(self, node: Node) -> bool | None:
        """Return the value of a sub-expression that reads only parameters.

        Return None if the sub-expression reads other names, if the evaluation fails, or if the value is
        neither true nor false.
        """
        if not names_in(node) <= self._parameters.keys():
            return None
        environment = self._binding.environment
        try:
            value = environment.part(self._condition, node).evaluate(environment.activate(self._parameters))
        except (EvaluationError, RuntimeError):
            return None
        return value if isinstance(value, bool) else None


def _operands(node: Node, function: str) -> list[Node]:
    """Return all operands of a chain of one operator. Parentheses in the chain are ignored.

    Args:
        node: the root of the chain.
        function: the name of the operator in the syntax tree: `_||_` or `_&&_`.
    """
    if node.call_expr.function != function:
        return [node]
    return [one for argument in node.call_expr.args for one in _operands(argument, function)]


def _is_size(node: Node) -> bool:
    return bool(node.call_expr.function == "size")


def _is_zero(node: Node) -> bool:
    constant = node.const_expr
    return bool(constant.WhichOneof("constant_kind") == "int64_value" and constant.int64_value == 0)


def _may_be_nan(condition: Expression, node: Node) -> bool:
    """Return whether the value of a sub-expression may be NaN. A value with an unknown type may be NaN.

    The laws for comparisons do not apply to NaN, because NaN is not equal to itself.
    """
    kind = condition.checked.type_map.get(node.id)
    return kind is None or kind.WhichOneof("type_kind") is None or "DOUBLE" in str(kind)
