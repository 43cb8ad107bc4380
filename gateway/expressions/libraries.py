"""The extensions of the engine and the functions that policies may use.

When a bundle is loaded, an expression that calls a function outside of `KNOWN` is refused,
because the cost of such a function is not known (see cost_estimator.py).
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
"""The configuration of the engine for the expressions that authors write."""

COMPOSED = cel.NewEnvConfigFromYaml(
    "extensions:\n" + "".join(f"- name: {name}\n" for name in (*_FOR_AUTHORS, "bindings"))
)
"""The configuration of the engine for expressions that the gateway composes of authors' expressions.

It adds `cel.bind` to the configuration for authors.
"""

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
"""The names of all functions that an expression may call."""


_WRITTEN = {
    "cel.@mapInsert": "transformMap"
}  # Each key is a function that the engine does not have. The value is the macro that expands to it.


def find_refused(root: Node) -> Iterator[tuple[Node, str]]:
    """Find the parts of an author's expression that are not allowed. Yield each part and the reason."""
    for node in walk(root):
        if node.WhichOneof("expr_kind") == "call_expr" and node.call_expr.function not in KNOWN:
            name = _WRITTEN.get(node.call_expr.function, f"the function {node.call_expr.function}")
            yield node, f"{name} is not available to policies"
        elif node.WhichOneof("expr_kind") == "comprehension_expr" and is_variable_binding(node):
            # These macros expand to `cel.bind`. A loop that runs before `cel.bind` can overwrite the value.
            message = (
                "sortBy, optMap and optFlatMap are not available to policies; use sort, orValue or a variable"
            )
            yield node, message
