"""Converts parts of CEL expressions to Python code, which the gateway evaluates without the engine.

The code is a Python expression that uses these names:

- `v`, a dict: the values of variables and the results of calls, keyed by name;
- `t`, a dict: the values of loop variables in the current iteration, keyed by name;
- `entry(entries, key)`, a function: returns the entry of a map;
- `undecided()`, a function: is called if the engine is needed, and raises an error;
- `call`, a function of the gateway: is called by the code of a function call;
- `len` and `bool`, the functions of Python.

The code raises a KeyError if a variable is missing, and an EvaluationError if a map entry is
missing. The texts of a policy are written as Python literals (`repr`). Field names are only
written if the schema defines the field. So no text of a policy is run as code.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gateway.expressions.errors import EvaluationError
from gateway.schema import descriptor_of, value_field
from gateway.schema.well_known import is_well_known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import FieldDescriptor

    from gateway.expressions.editing import Editor
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

MAX_LENGTH = 16384
"""The maximum length of the Python code for one expression, in characters. Longer code is not used."""

_LITERALS = {"int64_value", "string_value", "bool_value"}
_NO_TURNS = frozenset[str]()


class PythonCode(NamedTuple):
    """Python code for a part of an expression.

    Attributes:
        text: the code. Parts that have the same code have the same value.
        turns: the names of the loop variables that the part depends on, as in `Activation.turn`.
    """

    text: str
    turns: frozenset[str] = _NO_TURNS


@dataclass(frozen=True, slots=True)
class Bound:
    """A variable of the policy that an expression binds with `cel.bind`.

    Attributes:
        node: the part of the expression that returns the value of the variable.
        names: the names that `node` may refer to.
    """

    node: Node
    names: Names


Names: TypeAlias = "Mapping[str, str | Bound]"
"""The names that loops and variables declare.

A loop variable is mapped to the name that it has in `Activation.turn`. A variable of the policy
is mapped to a Bound.
"""


class CodeWriter:
    """Writes Python code for the parts of one expression that do not need the engine."""

    def __init__(self, editor: Editor, schema: Schema) -> None:
        self._editor = editor
        self._schema = schema
        self._bound: dict[
            int, PythonCode | None
        ] = {}  # the code of a variable is only written once, even if the variable is used several times

    def write_value(self, node: Node, names: Names) -> PythonCode | None:
        """Return the Python code of a value, or None if only the engine can evaluate the value."""
        match node.WhichOneof("expr_kind"):
            case "ident_expr":
                return self._name(str(node.ident_expr.name), names)
            case "const_expr":
                return write_literal(node.const_expr)
            case "select_expr" if not node.select_expr.test_only:
                return self._select(node.select_expr, names)
            case "call_expr" if node.call_expr.function == "_[_]":
                return self._index(*node.call_expr.args, names=names)
        return None

    def _name(self, name: str, names: Names) -> PythonCode | None:
        found = names.get(name)
        if isinstance(found, Bound):
            if found.node.id not in self._bound:
                self._bound[found.node.id] = self.write_value(found.node, found.names)
            return self._bound[found.node.id]
        if found is not None:
            return PythonCode(f"t[{found!r}]", frozenset({found}))
        return PythonCode(f"v[{name!r}]")

    def _select(self, select: Any, names: Names) -> PythonCode | None:
        whole = self.write_value(select.operand, names)
        kind = self._editor.type_of(select.operand)
        if whole is None or kind is None:
            return None
        name = str(select.field)
        if kind.HasField("map_type"):
            return _entry(whole, PythonCode(repr(name)))
        field = self.field_of(select)
        if field is None or _is_well_known(field):
            return None
        return PythonCode(f"{whole.text}.{name}", whole.turns)

    def field_of(self, select: Any) -> FieldDescriptor | None:
        """Return the field that a selection reads; None if Python code cannot read the field."""
        kind = self._editor.type_of(select.operand)
        name = str(select.field)
        if (
            kind is None
            or not kind.message_type
            or is_well_known(kind.message_type)
            or keyword.iskeyword(name)
        ):
            return None
        return descriptor_of(self._schema.message(kind.message_type)).fields_by_name.get(name)

    def _index(self, node: Node, key: Node, *, names: Names) -> PythonCode | None:
        kind = self._editor.type_of(node)
        if kind is None or not kind.HasField("map_type"):
            return None
        whole, index = self.write_value(node, names), self.write_value(key, names)
        return None if whole is None or index is None else _entry(whole, index)


def write_literal(constant: Any) -> PythonCode | None:
    """Return the Python code of a literal; None if the literal is not an int, a string or a bool."""
    kind = constant.WhichOneof("constant_kind")
    return PythonCode(repr(getattr(constant, kind))) if kind in _LITERALS else None


Evaluate: TypeAlias = "Callable[[Mapping[str, Any], Mapping[str, Any]], Any]"
"""A function that takes `v` and `t`, and evaluates Python code."""


def to_function(code: PythonCode, call: Callable[..., Any] | None = None) -> Evaluate | None:
    """Return a function that evaluates the code.

    Return None if the code is too long or too deeply nested.

    Args:
        code: the code.
        call: the function that the code calls; None if it calls none.
    """
    if len(code.text) > MAX_LENGTH:
        return None
    try:
        compiled = compile(f"lambda v, t: {code.text}", "<expression>", "eval")
    except (SyntaxError, MemoryError, RecursionError):  # too deep nesting
        return None
    names = {
        "__builtins__": {},
        "len": len,
        "bool": bool,
        "entry": entry,
        "undecided": undecided,
        "call": call,
    }
    made: Evaluate = eval(compiled, names)  # noqa: S307 - see the module
    return made


def entry(entries: Any, key: Any) -> Any:
    """Return the entry of a map.

    Raises:
        EvaluationError: the map has no such key.
    """
    try:
        is_known = key in entries  # reading an absent key of a map of messages would add the key
    except (TypeError, ValueError):  # `key` has the wrong type or is out of range for the map
        is_known = False
    if not is_known:
        raise EvaluationError(f'Key not found in map : "{key}"')
    return entries[key]


def undecided() -> bool:
    """Stop an evaluation that needs the engine.

    Raises:
        EvaluationError: always.
    """
    raise EvaluationError("only the engine can evaluate this")


def _entry(whole: PythonCode, index: PythonCode) -> PythonCode | None:
    if len(whole.text) + len(index.text) > MAX_LENGTH:
        return None
    return PythonCode(f"entry({whole.text}, {index.text})", whole.turns | index.turns)


def _is_well_known(field: FieldDescriptor) -> bool:
    """Return whether CEL and Python represent the values of a field differently."""
    kind = value_field(field).message_type
    return kind is not None and is_well_known(kind.full_name)
