"""Typed expression trees, and how they are written in CEL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["bool", "int", "text", "texts", "ints", "bag", "map"]
"""A bag is a list of texts in no certain order, as a loop over a map gives it; a map is of texts to texts."""

Value: TypeAlias = "bool | int | str | list[str] | list[int] | dict[str, str]"

LOOPS = ("all", "exists", "exists_one", "map", "filter")
_INFIX = {"==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%", "&&", "||"}
OWN = {"glob", "inCidr", "missing", "unknown"}
"""Functions that the gateway adds to CEL."""
_METHODS = {"startsWith", "endsWith", "contains", "matches", *OWN}


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression.

    Attributes:
        operator: as CEL writes it, or a word for what CEL has no sign for.
        kind: of its value.
        parts: what it is applied to.
        value: of a literal; or the name of a field, key, parameter, variable or loop variable.
    """

    operator: str
    kind: Kind
    parts: tuple[Tree, ...] = ()
    value: bool | int | str = ""


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and every part of it."""
    yield tree
    for part in tree.parts:
        yield from walk(part)


def to_cel(tree: Tree, inlined: Mapping[str, str] | None = None) -> str:
    """Write a tree in CEL.

    Args:
        tree: to write.
        inlined: texts to put in the place of variables.
    """
    parts = [to_cel(part, inlined) for part in tree.parts]
    operator = tree.operator
    if operator == "variable":
        return inlined[str(tree.value)] if inlined is not None else str(tree.value)
    if operator in _INFIX:
        return f"({parts[0]} {operator} {parts[1]})"
    if operator in _METHODS:
        return f"{parts[0]}.{operator}({parts[1]})"
    if operator in LOOPS:
        return f"{parts[0]}.{operator}({', '.join([str(tree.value), *parts[1:]])})"
    return _FORMS[operator](parts, tree.value)


def literal(value: bool | int | str) -> str:  # noqa: FBT001
    """Write a literal."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"({value})" if value < 0 else str(value)


_FORMS: dict[str, Callable[[list[str], bool | int | str], str]] = {
    "literal": lambda _, value: literal(value),
    "field": lambda _, value: f"request.{value}",
    "labels": lambda _parts, _value: "request.labels",
    "method": lambda _parts, _value: "method",
    "caller": lambda _parts, _value: "caller.id",
    "groups": lambda _parts, _value: "caller.groups",
    "parameter": lambda _, value: f"params.{value}",
    "local": lambda _, value: str(value),
    "!": lambda parts, _: f"!{parts[0]}" if parts[0].startswith("(") else f"!({parts[0]})",
    "negate": lambda parts, _: f"(-({parts[0]}))",
    "?": lambda parts, _: f"({parts[0]} ? {parts[1]} : {parts[2]})",
    "size": lambda parts, _: f"size({parts[0]})",
    "index": lambda parts, _: f"{parts[0]}[{parts[1]}]",
    "select": lambda parts, value: f"{parts[0]}.{value}",
    "has": lambda parts, value: f"has({parts[0]}.{value})",
    "has_field": lambda _, value: f"has(request.{value})",
    "list": lambda parts, _: f"[{', '.join(parts)}]",
}
