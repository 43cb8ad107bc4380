"""What an expression is, by the CEL specification, said a second time in plain Python.

It shares nothing with the engine: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tests.policy_fuzz.tree import Tree, Value

Outcome: TypeAlias = Literal["true", "false", "error"]

Scope: TypeAlias = Mapping[str, Any]
Form: TypeAlias = "Callable[[Tree, World, Scope], Any]"

_END = r"\Z"
"""What `$` means in RE2: the very end of a text, not also before a line break there."""

_INT64 = range(-(2**63), 2**63)


class CelError(Exception):
    """An expression has no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is evaluated, and who asks."""

    fields: Mapping[str, str]
    labels: Mapping[str, str]
    caller: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What names stand for.

    Attributes:
        request: what is evaluated.
        method: full name.
        parameters: of the binding.
        variables: of the policy; each is found when it is first needed.
        oddities: operator → what an engine makes of it that does not keep to the specification.
        known: values of variables, or that they have none.
    """

    request: Request
    method: str
    parameters: Mapping[str, Value]
    variables: Mapping[str, Tree]
    oddities: Mapping[str, Form] = field(default_factory=dict)
    known: dict[str, Value | CelError] = field(default_factory=dict)


def outcome_of(tree: Tree, world: World) -> Outcome:
    """Tell what a condition comes to."""
    try:
        return "true" if evaluate(tree, world, {}) is True else "false"
    except CelError:
        return "error"


def evaluate(tree: Tree, world: World, scope: Scope) -> Any:
    """Return the value of a tree.

    Raises:
        CelError: it has none.
    """
    form = world.oddities.get(tree.operator) or _FORMS.get(tree.operator)
    if form is not None:
        return form(tree, world, scope)
    return _STRICT[tree.operator](*[evaluate(part, world, scope) for part in tree.parts])


def _variable(tree: Tree, world: World, _scope: Scope) -> Any:
    name = str(tree.value)
    if name not in world.known:
        try:
            world.known[name] = evaluate(world.variables[name], world, {})
        except CelError as error:
            world.known[name] = error
    value = world.known[name]
    if isinstance(value, CelError):
        raise value
    return value


def _settle(outcomes: Iterator[bool | None], decisive: bool) -> bool:  # noqa: FBT001
    """Join by && or ||: the decisive value goes before errors, which are None, wherever they stand."""
    failed = False
    for outcome in outcomes:
        if outcome is decisive:
            return decisive
        failed = failed or outcome is None
    if failed:
        raise CelError
    return not decisive


def _attempt(tree: Tree, world: World, scope: Scope) -> bool | None:
    try:
        return bool(evaluate(tree, world, scope))
    except CelError:
        return None


def _and(tree: Tree, world: World, scope: Scope) -> bool:
    return _settle((_attempt(part, world, scope) for part in tree.parts), decisive=False)


def _or(tree: Tree, world: World, scope: Scope) -> bool:
    return _settle((_attempt(part, world, scope) for part in tree.parts), decisive=True)


def _if(tree: Tree, world: World, scope: Scope) -> Any:
    test, then, otherwise = tree.parts
    return evaluate(then if evaluate(test, world, scope) else otherwise, world, scope)


def scopes(tree: Tree, world: World, scope: Scope) -> Iterator[Scope]:
    """Yield what names stand for in each turn of a loop."""
    for element in evaluate(tree.parts[0], world, scope):
        yield {**scope, str(tree.value): element}


def _all(tree: Tree, world: World, scope: Scope) -> bool:
    return _settle(
        (_attempt(tree.parts[1], world, one) for one in scopes(tree, world, scope)), decisive=False
    )


def _exists(tree: Tree, world: World, scope: Scope) -> bool:
    return _settle((_attempt(tree.parts[1], world, one) for one in scopes(tree, world, scope)), decisive=True)


def _exists_one(tree: Tree, world: World, scope: Scope) -> bool:
    met = [evaluate(tree.parts[1], world, one) for one in scopes(tree, world, scope)]
    return met.count(True) == 1


def _map(tree: Tree, world: World, scope: Scope) -> list[Any]:
    return [evaluate(tree.parts[1], world, one) for one in scopes(tree, world, scope)]


def _filter(tree: Tree, world: World, scope: Scope) -> list[Any]:
    name, condition = str(tree.value), tree.parts[1]
    return [one[name] for one in scopes(tree, world, scope) if evaluate(condition, world, one)]


def _fit(number: int) -> int:
    if number not in _INT64:
        raise CelError
    return number


def _add(left: Any, right: Any) -> Any:
    return _fit(left + right) if isinstance(left, int) else left + right


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise CelError
    quotient = abs(left) // abs(right)
    return _fit(quotient if (left < 0) == (right < 0) else -quotient)


def _remainder(left: int, right: int) -> int:
    return left - _quotient(left, right) * right


def _index(whole: Any, key: Any) -> Any:
    is_there = key in whole if isinstance(whole, Mapping) else 0 <= key < len(whole)
    if not is_there:
        raise CelError
    return whole[key]


_TOKENS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def _glob(text: str, pattern: str) -> bool:
    parts = re.findall(r"\*\*|.", pattern, re.DOTALL)
    translated = "".join(_TOKENS.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(translated, text, re.DOTALL) is not None


def _in_cidr(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError as error:
        raise CelError from error


_FORMS: dict[str, Form] = {
    "literal": lambda tree, _world, _scope: tree.value,
    "field": lambda tree, world, _: world.request.fields[str(tree.value)],
    "labels": lambda _tree, world, _scope: world.request.labels,
    "method": lambda _tree, world, _scope: world.method,
    "caller": lambda _tree, world, _scope: world.request.caller,
    "groups": lambda _tree, world, _scope: list(world.request.groups),
    "parameter": lambda tree, world, _: world.parameters[str(tree.value)],
    "local": lambda tree, _, scope: scope[str(tree.value)],
    "variable": _variable,
    "&&": _and,
    "||": _or,
    "?": _if,
    "all": _all,
    "exists": _exists,
    "exists_one": _exists_one,
    "map": _map,
    "filter": _filter,
    "select": lambda tree, world, scope: _index(evaluate(tree.parts[0], world, scope), tree.value),
    "has": lambda tree, world, scope: tree.value in evaluate(tree.parts[0], world, scope),
    "has_field": lambda tree, world, _: world.request.fields[str(tree.value)] != "",
    "list": lambda tree, world, scope: [evaluate(part, world, scope) for part in tree.parts],
}

_STRICT: dict[str, Callable[..., Any]] = {
    "!": lambda value: not value,
    "negate": lambda value: _fit(-value),
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "in": lambda element, whole: element in whole,
    "+": _add,
    "-": lambda left, right: _fit(left - right),
    "*": lambda left, right: _fit(left * right),
    "/": _quotient,
    "%": _remainder,
    "size": len,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: re.search(pattern.replace("$", _END), text) is not None,
    "index": _index,
    "glob": _glob,
    "inCidr": _in_cidr,
    "missing": lambda entries, keys: [key for key in keys if entries.get(key, "") == ""],
    "unknown": lambda entries, keys: sorted(key for key in entries if key not in keys),
}
