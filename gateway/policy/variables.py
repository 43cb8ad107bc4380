"""The variables of a policy: their expressions for a method, and the fields that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.policy.method_names import is_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.faults import Path
    from gateway.policy.model import PolicySpec

_REQUEST = "request"


class VariableText(NamedTuple):
    """The expression of a variable for one method.

    Attributes:
        name: the name of the variable.
        text: the expression. It is empty if the policy has no expression for the method.
        path: the path of the expression in the policy document.
        others: the further patterns that match the method. There should be none.
    """

    name: str
    text: str
    path: Path
    others: tuple[str, ...] = ()


def variables_for(spec: PolicySpec, method: str) -> Iterator[VariableText]:
    """Yield the expression of each variable for a method, in the order of the policy document."""
    for name, value in spec.variables.items():
        path: Path = ("spec", "variables", name)
        if isinstance(value, str):
            yield VariableText(name, value, path)
            continue
        found = [pattern for pattern in value if is_named(method, pattern)]
        if found:
            yield VariableText(name, value[found[0]], (*path, found[0]), tuple(found[1:]))
        else:
            yield VariableText(name, "", path)


def patterns_in(spec: PolicySpec) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each pattern for methods that a variable has."""
    for name, value in spec.variables.items():
        for pattern in value if isinstance(value, dict) else ():
            yield ("spec", "variables", name, pattern), pattern


def field_of(node: Any, container: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the field that an expression stands for, such as `request.boot_image.uri`.

    The result is the names that lead to the field. It is empty for `request`, and None if the expression is
    not the plain name of a field.

    Args:
        node: the root of the checked expression.
        container: the prefix of the names of variables, without the dot.
        known: the fields that variables stand for. The keys are the names of the variables.
    """
    match node.WhichOneof("expr_kind"):
        case "ident_expr":
            name = str(node.ident_expr.name).removeprefix(f"{container}.")
            return () if name == _REQUEST else known.get(name)
        case "select_expr" if not node.select_expr.test_only:
            outer = field_of(node.select_expr.operand, container, known)
            return None if outer is None else (*outer, str(node.select_expr.field))
    return None
