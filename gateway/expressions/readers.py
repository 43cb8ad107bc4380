"""Values that the gateway reads without the engine: request fields, parameters and map entries.

Most arguments of functions are such values. The engine evaluates all other arguments
(see calls.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.expressions.errors import EvaluationError
from gateway.schema import descriptor_of, value_field
from gateway.schema.well_known import is_well_known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import FieldDescriptor

    from gateway.expressions.activation import Activation
    from gateway.expressions.editing import Editor
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

Read: TypeAlias = "Callable[[Activation], Any]"

_KEYS = {"int64_value", "string_value", "bool_value"}


@dataclass(frozen=True, slots=True)
class ValueSource:
    """A function that returns the value of a part of an expression, and facts about this value.

    Attributes:
        key: the text that identifies the value. Sources with equal keys return equal values.
        read: the function that returns the value. It raises EvaluationError if there is no value.
        turns: the names of the loop variables that the value depends on, as in `Activation.turn`.
        is_evaluated: whether the engine evaluates the value.
    """

    key: str
    read: Read
    turns: frozenset[str] = frozenset()
    is_evaluated: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """A variable of the policy that is bound inside an expression.

    Attributes:
        node: the expression of the variable.
        names: the names that this expression can refer to.
    """

    node: Node
    names: Names


Names: TypeAlias = "Mapping[str, str | Bound]"
"""The meaning of names that are not variables of the activation.

The name of a loop variable in the source is mapped to the variable's name in
`Activation.turn`. The name of a variable of the policy is mapped to a `Bound`.
"""


class ReaderCompiler:
    """Compiles the parts of one expression that can be read without the engine."""

    def __init__(self, editor: Editor, schema: Schema) -> None:
        self._editor = editor
        self._schema = schema

    def compile(self, node: Node, names: Names) -> ValueSource | None:
        """Return the source of the value of a part, or None if only the engine can evaluate the part."""
        match node.WhichOneof("expr_kind"):
            case "ident_expr":
                return self._name(str(node.ident_expr.name), names)
            case "const_expr":
                return _constant(node.const_expr)
            case "select_expr" if not node.select_expr.test_only:
                return self._select(node.select_expr, names)
            case "call_expr" if node.call_expr.function == "_[_]":
                return self._index(*node.call_expr.args, names=names)
        return None

    def _name(self, name: str, names: Names) -> ValueSource | None:
        found = names.get(name)
        if isinstance(found, Bound):
            return self.compile(found.node, found.names)
        if found is not None:
            return ValueSource(found, lambda activation: activation.turn[found], frozenset({found}))
        return ValueSource(name, lambda activation: _variable(activation, name))

    def _select(self, select: Any, names: Names) -> ValueSource | None:
        whole = self.compile(select.operand, names)
        kind = self._editor.type_of(select.operand)
        if whole is None or kind is None:
            return None
        name = str(select.field)
        if kind.HasField("map_type"):
            return _entry(whole, ValueSource(repr(name), lambda _: name))
        if not kind.message_type or is_well_known(kind.message_type):
            return None
        field = descriptor_of(self._schema.message(kind.message_type)).fields_by_name.get(name)
        if field is None or _is_well_known(field):
            return None
        read = whole.read
        return ValueSource(
            f"{whole.key}.{name}", lambda activation: getattr(read(activation), name), whole.turns
        )

    def _index(self, node: Node, key: Node, *, names: Names) -> ValueSource | None:
        kind = self._editor.type_of(node)
        if kind is None or not kind.HasField("map_type"):
            return None
        whole, index = self.compile(node, names), self.compile(key, names)
        return None if whole is None or index is None else _entry(whole, index)


def _variable(activation: Activation, name: str) -> Any:
    try:
        return activation.values[name]
    except KeyError:
        raise EvaluationError(f'No value with name "{name}" found in Activation') from None


def _constant(constant: Any) -> ValueSource | None:
    kind = constant.WhichOneof("constant_kind")
    if kind not in _KEYS:
        return None
    value = getattr(constant, kind)
    return ValueSource(repr(value), lambda _: value)


def _entry(whole: ValueSource, index: ValueSource) -> ValueSource:
    read_whole, read_index = whole.read, index.read

    def read(activation: Activation) -> Any:
        entries, key = read_whole(activation), read_index(activation)
        try:
            is_known = key in entries  # reading an absent key of a map of messages would add the key
        except (TypeError, ValueError):  # the key has another type or is out of range
            is_known = False
        if not is_known:
            raise EvaluationError(f'Key not found in map : "{key}"')
        return entries[key]

    return ValueSource(f"{whole.key}[{index.key}]", read, whole.turns | index.turns)


def _is_well_known(field: FieldDescriptor) -> bool:
    """Return whether CEL and Python represent a field, or an element of a field, by different values."""
    kind = value_field(field).message_type
    return kind is not None and is_well_known(kind.full_name)
