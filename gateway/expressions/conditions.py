"""Conditions that the gateway evaluates without the engine.

Some conditions only compare texts, numbers and truth values, or search for a text in a list or map.
Such a condition is compiled to Python code (see python_code.py). The Python code is much faster
than the engine. If the Python code raises an error, the engine evaluates the condition. So the rules of
CEL for errors do not have to be implemented in Python. The engine also evaluates conditions that
contain loops, or functions or types that this module does not support.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.expressions.errors import EvaluationError
from gateway.expressions.python_code import MAX_LENGTH, Bound, PythonCode, to_function, write_literal
from gateway.expressions.syntax import is_variable_binding

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.expressions.activation import Activation
    from gateway.expressions.editing import Editor
    from gateway.expressions.python_code import CodeWriter, Names
    from gateway.expressions.syntax import Node

Test: TypeAlias = "Callable[[Activation], bool | None]"
"""A function that returns whether a condition is true. It returns None if only the engine can decide."""

_BOOL, _INT, _UINT, _STRING = 1, 2, 3, 5  # the numbers of the types in PrimitiveType
_EQUAL = {_BOOL, _INT, _UINT, _STRING}
_ORDERED = {_INT, _UINT}
_SIGNS = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_MEMBERS = {"startsWith": "{}.startswith({})", "endsWith": "{}.endswith({})", "contains": "({1} in {0})"}
UNDECIDABLE = (EvaluationError, KeyError, AttributeError, TypeError)
"""The errors for a missing function result, a missing map entry, and a value of an unexpected type."""
_UNDECIDED = PythonCode("undecided()")


def to_test(code: PythonCode) -> Test | None:
    """Return the test of a condition, or None if the code is too long or too deeply nested."""
    evaluate = to_function(code)
    if evaluate is None:
        return None

    def test(activation: Activation) -> bool | None:
        try:
            return bool(evaluate(activation.values, {}))
        except UNDECIDABLE:
            return None

    return test


class ConditionCompiler:
    """Compiles one condition to Python code that does not need the engine."""

    def __init__(self, editor: Editor, writer: CodeWriter) -> None:
        self._editor = editor
        self._writer = writer
        self._bound: dict[int, PythonCode | None] = {}  # the Python code of variables, keyed by node ID
        self._writers: dict[str, Callable[..., PythonCode | None]] = {
            "_&&_": self._both,
            "_||_": self._either,
            "!_": self._negation,
            "_?_:_": self._choice,
            "@in": self._membership,
            **{function: partial(self._comparison, sign) for function, sign in _SIGNS.items()},
        }

    def compile(self, node: Node) -> PythonCode | None:
        """Return the Python code of a condition, or None if the engine has to evaluate the condition."""
        code = self._condition(node, {})
        return code if code is not None and not code.turns else None

    def _condition(self, node: Node, names: Names) -> PythonCode | None:
        """Return the Python code of a part that has to be true or false.

        Return None if the type of the part is not bool, or if the engine has to evaluate the part for most
        requests.
        """
        if self._primitive(node) != _BOOL:
            return None
        match node.WhichOneof("expr_kind"):
            case "comprehension_expr" if is_variable_binding(node):
                loop = node.comprehension_expr
                return self._condition(loop.result, {**names, loop.accu_var: Bound(loop.accu_init, names)})
            case "ident_expr" if isinstance(found := names.get(node.ident_expr.name), Bound):
                if found.node.id not in self._bound:
                    self._bound[found.node.id] = self._condition(found.node, found.names)
                return self._bound[found.node.id]
            case "select_expr" if node.select_expr.test_only:
                return self._presence(node.select_expr, names)
            case "call_expr":
                return self._call(node, names)
        return self._writer.write_value(node, names)

    def _call(self, node: Node, names: Names) -> PythonCode | None:
        call = node.call_expr
        write = self._writers.get(call.function)
        if write is not None:
            return write(*call.args, names=names)
        form = _MEMBERS.get(call.function)
        if form is None or not call.HasField("target"):
            return self._writer.write_value(node, names)
        texts = [call.target, *call.args]
        if not all(self._primitive(one) == _STRING for one in texts):
            return None
        return _join(form, *(self._value(one, names) for one in texts))

    def _both(self, left: Node, right: Node, *, names: Names) -> PythonCode | None:
        """Return the Python code of `left && right`, or None if one side has no Python code.

        Most requests fulfil a condition. Both sides need Python code, because both sides are evaluated
        when the condition is true.
        """
        return _join("({} and {})", self._condition(left, names), self._condition(right, names))

    def _either(self, left: Node, right: Node, *, names: Names) -> PythonCode | None:
        """Return the Python code of `left || right`, or None if neither side has Python code.

        If only one side has Python code, that side decides only if it is true. If it is not true, the
        engine evaluates the condition.
        """
        one, other = self._condition(left, names), self._condition(right, names)
        if one is None and other is None:
            return None
        return _join("({} or {})", one or other, other if one and other else _UNDECIDED)

    def _negation(self, operand: Node, *, names: Names) -> PythonCode | None:
        return _join("(not {})", self._condition(operand, names))

    def _choice(self, test: Node, then: Node, other: Node, *, names: Names) -> PythonCode | None:
        branches = [self._condition(one, names) for one in (then, other)]
        if branches == [None, None]:
            return None
        chosen = [one or _UNDECIDED for one in branches]
        return _join("({1} if {0} else {2})", self._condition(test, names), *chosen)

    def _comparison(self, sign: str, left: Node, right: Node, *, names: Names) -> PythonCode | None:
        kind = self._primitive(left)
        if kind != self._primitive(right) or kind not in (_EQUAL if sign in {"==", "!="} else _ORDERED):
            return None
        return _join(f"({{}} {sign} {{}})", self._value(left, names), self._value(right, names))

    def _membership(self, element: Node, whole: Node, *, names: Names) -> PythonCode | None:
        kind = self._editor.type_of(whole)
        if self._primitive(element) != _STRING or kind is None:
            return None
        inner = kind.map_type.key_type if kind.HasField("map_type") else kind.list_type.elem_type
        if inner.primitive != _STRING:
            return None
        values = self._literals(whole) or self._writer.write_value(whole, names)
        return _join("({} in {})", self._value(element, names), values)

    def _literals(self, node: Node) -> PythonCode | None:
        """Return the Python code of a list of literals.

        Return None if the node is not such a list, if the list is empty, or if a literal has no Python code.
        """
        elements = node.list_expr.elements
        if not elements or not all(one.HasField("const_expr") for one in elements):
            return None
        codes = [write_literal(one.const_expr) for one in elements]
        return (
            PythonCode("".join(["(", *(f"{one.text}, " for one in codes if one), ")"]))
            if all(codes)
            else None
        )

    def _presence(self, select: Any, names: Names) -> PythonCode | None:
        """Return the Python code of `has(operand.field)`, or None if only the engine can evaluate it."""
        whole = self._writer.write_value(select.operand, names)
        kind, name = self._editor.type_of(select.operand), str(select.field)
        if whole is None or kind is None:
            return None
        if kind.HasField("map_type"):
            return PythonCode(f"({name!r} in {whole.text})", whole.turns)
        field = self._writer.field_of(select)
        if field is None or field.has_presence:
            return None if field is None else PythonCode(f"{whole.text}.HasField({name!r})", whole.turns)
        if field.is_repeated or field.cpp_type == field.CPPTYPE_STRING:
            return PythonCode(f"(len({whole.text}.{name}) > 0)", whole.turns)
        return None

    def _value(self, node: Node, names: Names) -> PythonCode | None:
        """Return the Python code of an operand of a comparison.

        Return None if the engine has to evaluate the operand.
        """
        call = node.call_expr
        if call.function == "size":
            (whole,) = [call.target] if call.HasField("target") else call.args
            kind = self._editor.type_of(whole)
            if kind is None or not (
                kind.primitive == _STRING or kind.HasField("list_type") or kind.HasField("map_type")
            ):
                return None
            return _join("len({})", self._writer.write_value(whole, names))
        if self._primitive(node) == _BOOL:
            return self._condition(node, names)
        return self._writer.write_value(node, names)

    def _primitive(self, node: Node) -> int:
        """Return the number that a node's type has in PrimitiveType; 0 if the type is not primitive."""
        kind = self._editor.type_of(node)
        return 0 if kind is None else int(kind.primitive)


def _join(form: str, *parts: PythonCode | None) -> PythonCode | None:
    """Return the Python code of an operation.

    Return None if an operand has no Python code, or if the Python code of all operands is too long.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or sum(len(part.text) for part in known) > MAX_LENGTH:
        return None
    turns = frozenset[str]().union(*(part.turns for part in known))
    return PythonCode(form.format(*(part.text for part in known)), turns)
