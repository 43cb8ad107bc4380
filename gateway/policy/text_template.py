"""Descriptions of expressions for people who have not made a request yet.

The message of a rule is an expression, for example `"bucket " + source.bucket + " is not approved"`. Before
there is a request, only some of its parts have a value: literals, and parts that depend only on parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.syntax import localize, to_text
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.expressions import Environment, Expression
    from gateway.expressions.syntax import Node

_MAX_TEXT = 500
_CONCATENATION = "_+_"


def describe_text(expression: Expression, environment: Environment) -> str:
    """Return the text that an expression gives. A part that depends on the request is CEL in braces.

    An example is `bucket {source.bucket} is not approved`.

    Args:
        expression: an expression that gives a text.
        environment: the environment that compiled the expression. It has the values of the parameters.
    """
    text = "".join(_parts(expression, expression.checked.expr, environment))
    return redact_text(" ".join(text.split()), _MAX_TEXT)


def describe_value(expression: Expression, environment: Environment) -> str:
    """Return the value that an expression gives, as text.

    The text is CEL in braces if the value depends on the request.
    """
    value = environment.constant_part(expression, expression.checked.expr)
    if isinstance(value, str) or value is None:
        return describe_text(expression, environment)
    return redact_text(_show(value), _MAX_TEXT)


def _parts(expression: Expression, node: Node, environment: Environment) -> Iterator[str]:
    if node.const_expr.WhichOneof("constant_kind") == "string_value":
        yield node.const_expr.string_value
        return
    value = environment.constant_part(expression, node)
    if isinstance(value, str):
        yield value
    elif node.call_expr.function == _CONCATENATION:
        for argument in node.call_expr.args:
            yield from _parts(expression, argument, environment)
    else:
        yield f"{{{to_text(localize(node, environment.container))}}}"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_show, value))}]"
    return str(value)
