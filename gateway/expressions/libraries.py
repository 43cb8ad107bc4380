"""The compiled extensions of the engine, and their functions, that policies may use.

A function that is not listed is refused when a bundle is loaded: its cost would
not be known (see cost_estimator.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cel_expr_python import cel

from gateway.expressions.functions import OWN_NAMES
from gateway.expressions.syntax import is_variable_binding, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.expressions.syntax import Node

_FOR_AUTHORS = ("strings", "math", "optional", "encoders", "lists", "sets", "two-var-comprehensions")

AUTHORS = cel.NewEnvConfigFromYaml("extensions:\n" + "".join(f"- name: {name}\n" for name in _FOR_AUTHORS))
"""The language of policies."""

COMPOSED = cel.NewEnvConfigFromYaml(
    "extensions:\n" + "".join(f"- name: {name}\n" for name in (*_FOR_AUTHORS, "bindings"))
)
"""The same with `cel.bind`, for expressions that are composed of an author's."""

_OPERATORS = {
    "_&&_", "_||_", "!_", "_?_:_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_+_", "_-_", "_*_",
    "_/_", "_%_", "-_", "_[_]", "_[?_]", "_?._", "@in", "@not_strictly_false",
}  # fmt: skip
_STANDARD = {
    "bool", "bytes", "contains", "double", "duration", "dyn", "endsWith", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes",
    "getMonth", "getSeconds", "int", "matches", "size", "startsWith", "string", "timestamp", "type",
    "uint",
}  # fmt: skip
_EXTENSIONS = {
    "base64.decode", "base64.encode", "charAt", "distinct", "first", "flatten",
    "format", "hasValue", "indexOf", "join", "last", "lastIndexOf", "lowerAscii", "math.@max",
    "math.@min", "math.abs", "math.ceil", "math.floor", "math.isFinite", "math.isInf", "math.isNaN",
    "math.round", "math.sign", "math.trunc", "optional.none", "optional.of", "optional.ofNonZeroValue",
    "or", "orValue", "replace", "reverse", "sets.contains", "sets.equivalent", "sets.intersects",
    "slice", "sort", "split", "strings.quote", "substring", "trim", "upperAscii", "value",
}  # fmt: skip

KNOWN = frozenset(_OPERATORS | _STANDARD | _EXTENSIONS | OWN_NAMES)
"""Names of all functions that an expression may call."""


_WRITTEN = {
    "cel.@mapInsert": "transformMap"
}  # what a macro is written as; the engine lacks what it expands to


def find_refused(root: Node) -> Iterator[tuple[Node, str]]:
    """Yield each part of an author's expression that may not be used, with the reason."""
    for node in walk(root):
        if node.WhichOneof("expr_kind") == "call_expr" and node.call_expr.function not in KNOWN:
            name = _WRITTEN.get(node.call_expr.function, f"the function {node.call_expr.function}")
            yield node, f"{name} is not available to policies"
        elif node.WhichOneof("expr_kind") == "comprehension_expr" and is_variable_binding(node):
            # What the engine keeps for such a variable can be overwritten by a loop before it.
            message = (
                "sortBy, optMap and optFlatMap are not available to policies; use sort, orValue or a variable"
            )
            yield node, message
