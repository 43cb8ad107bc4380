"""Values that the gateway reads without the engine: fields of the request, parameters, entries of maps.

Most arguments of functions are such values. The engine evaluates all other arguments
(see calls.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.expressions.errors import EvaluationError
from gateway.expressions.python_code import to_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.expressions.activation import Activation
    from gateway.expressions.python_code import CodeWriter, Names
    from gateway.expressions.syntax import Node

Read: TypeAlias = "Callable[[Activation], Any]"


@dataclass(frozen=True, slots=True)
class ValueSource:
    """The source of a value. The function `read` reads the value, with or without the engine.

    Attributes:
        key: a text that identifies the value. Sources with equal keys read the same value.
        read: the function that returns the value. It raises an EvaluationError if there is no value.
        turns: the names of the loop variables that the value depends on, as in `Activation.turn`.
        is_evaluated: whether the engine evaluates the value.
        code: the Python code that returns the value; empty if more than the code is necessary.
    """

    key: str
    read: Read
    turns: frozenset[str] = frozenset()
    is_evaluated: bool = False
    code: str = ""


def compile_reader(writer: CodeWriter, node: Node, names: Names) -> ValueSource | None:
    """Return the source of the value of a part of an expression.

    Return None if only the engine can evaluate the part.
    """
    code = writer.write_value(node, names)
    evaluate = to_function(code) if code is not None else None
    if code is None or evaluate is None:
        return None

    def read(activation: Activation) -> Any:
        try:
            return evaluate(activation.values, activation.turn)
        except KeyError as error:
            raise missing_value(error) from None

    return ValueSource(code.text, read, code.turns, code=code.text)


def missing_value(error: KeyError) -> EvaluationError:
    """Return the error for Python code that reads a variable without a value."""
    return EvaluationError(f'No value with name "{error.args[0]}" found in Activation')
