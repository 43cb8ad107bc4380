"""CEL expressions that are checked when loaded and fail closed when evaluated.

The engine returns evaluation errors as values which look true, so a result
counts only when its type is the one that was checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf.any_pb2 import Any as AnyMessage

from gateway.masking import mask
from gateway.policy.functions import LINK_TYPE, declare_functions
from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.schema import Schema

_PROBLEM = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_NOISE = re.compile(r"^(?:INVALID_ARGUMENT|CANCELLED): | \(in container ''\)| \[[A-Z_]+\]$")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_UNDEFINED = re.compile(r"undefined field '([^']+)' not found in struct '([^']+)'")
_CHECKED = "cel.expr.CheckedExpr"
_ERROR, _UNKNOWN = cel.Type.ERROR, cel.Type.UNKNOWN  # looked up once: each look-up makes an object
# What all, exists, exists_one, map and filter expand to names its accumulator two or three times.
_ACCUMULATOR = "@result"
_MAX_ACCUMULATOR_READS = 12

_ADVICE = {"matches": "matches() compiles its pattern at each call; use text.fullMatch(pattern)"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression is refused, and where in its text; line and column count from 1."""

    line: int
    column: int
    message: str


class ExpressionError(ValueError):
    """An expression does not compile."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class EvaluationError(Exception):
    """An expression gave an error instead of a value; the text is masked."""


class Expression:
    """A compiled expression.

    Attributes:
        text: as it was written.
        reads: names that it refers to: variables, and parameters as `params.<name>`.
    """

    __slots__ = ("_compiled", "_returns", "reads", "text")

    def __init__(self, text: str, compiled: cel.Expression, reads: frozenset[str]) -> None:
        self.text = text
        self.reads = reads
        self._compiled = compiled
        self._returns = compiled.return_type()

    @property
    def returns(self) -> cel.Type:
        """The type that the checker found."""
        return self._returns

    def evaluate(self, activation: cel.Activation) -> Any:
        """Return the value.

        Raises:
            EvaluationError: there is none.
        """
        try:
            result = self._compiled.eval(activation)
        except RuntimeError as error:
            raise _raised(error) from error
        kind = result.type()
        if kind in (_ERROR, _UNKNOWN):
            raise EvaluationError(mask(str(result.value())))
        return result.plain_value()

    def is_true(self, activation: cel.Activation) -> bool:
        """Evaluate a condition.

        Raises:
            EvaluationError: it is neither true nor false.
        """
        try:
            value = self._compiled.eval(activation).value()
        except RuntimeError as error:
            raise _raised(error) from error
        if value is True:
            return True
        if value is False:
            return False
        raise EvaluationError(mask(str(value)))  # the value of an error is its text


class Environment:
    """What the expressions of one policy can name, for one type of request."""

    def __init__(self, schema: Schema, variables: Mapping[str, cel.Type]) -> None:
        self._schema = schema
        self._variables = dict(variables)
        self._functions = declare_functions(schema.message(LINK_TYPE))
        self._references = schema.message(_CHECKED)
        self._env = self._make()

    def _make(self) -> cel.Env:
        return cel.NewEnv(
            descriptor_pool=self._schema.pool,
            variables=self._variables,
            functions=self._functions,
            extensions=[ext_strings.ExtStrings()],
        )

    def declare(self, name: str, kind: cel.Type) -> None:
        """Add a variable for the expressions compiled from now on."""
        self._variables[name] = kind
        self._env = self._make()

    def activate(self, values: Mapping[str, Any]) -> cel.Activation:
        """Return what expressions are evaluated in: a value for each variable."""
        return self._env.Activation(values)

    def compile(self, text: str, returns: cel.Type | None = None) -> Expression:
        """Compile and type-check an expression.

        Args:
            text: of the expression.
            returns: the type that it has to give; any when left out.

        Raises:
            ExpressionError: with every problem.
        """
        try:
            compiled = self._env.compile(text)
        except (RuntimeError, ValueError) as error:
            raise ExpressionError([self._advise(one) for one in _problems(str(error))]) from error
        if returns is not None and compiled.return_type() != returns:
            given = compiled.return_type().name()
            raise ExpressionError([Problem(1, 1, f"gives {given}, but has to give {returns.name()}")])
        return Expression(text, compiled, self._names_in(text, compiled))

    def _names_in(self, text: str, compiled: cel.Expression) -> frozenset[str]:
        packed = AnyMessage.FromString(compiled.serialize())
        checked: Any = self._references.FromString(packed.value)
        references = checked.reference_map.values()
        called = {overload.split("_")[0] for reference in references for overload in reference.overload_id}
        refused = [Problem(*_place(text, name), advice) for name, advice in _ADVICE.items() if name in called]
        names = [reference.name for reference in references if not reference.overload_id]
        if names.count(_ACCUMULATOR) > _MAX_ACCUMULATOR_READS:
            refused.append(Problem(1, 1, "too many loops in one expression; four are allowed"))
        if refused:
            raise ExpressionError(refused)
        return frozenset(names) - {"", _ACCUMULATOR}

    def _advise(self, problem: Problem) -> Problem:
        """Add the name that was probably meant."""
        known: Iterable[str] = ()
        if match := _UNDECLARED.match(problem.message):
            known = self._variables
        elif match := _UNDEFINED.match(problem.message):
            known = descriptor_of(self._schema.message(match[2])).fields_by_name
        near = get_close_matches(match[1], list(known), n=1) if match else []
        hint = f"; did you mean {near[0]}?" if near else ""
        return Problem(problem.line, problem.column, problem.message + hint)


def require_reusable(value: Any) -> Any:
    """Return a value that the engine takes back as it is.

    Raises:
        EvaluationError: it holds a text with NUL, of which the engine would see the part before it.
    """
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, str) and "\0" in part:
            raise EvaluationError("the text has a NUL character")
        if isinstance(part, dict):
            parts += [*part, *part.values()]
        elif isinstance(part, list):
            parts += part
    return value


def type_of(value: Any) -> cel.Type:
    """Return the CEL type of a parameter's value; lists and maps of several types are dynamic."""
    if isinstance(value, bool):
        return cel.Type.BOOL
    if isinstance(value, int):
        return cel.Type.INT
    if isinstance(value, float):
        return cel.Type.DOUBLE
    if isinstance(value, list):
        return cel.Type.List(_common_type(value))
    if isinstance(value, dict):
        return cel.Type.Map(cel.Type.STRING, _common_type(list(value.values())))
    return cel.Type.STRING


def _common_type(values: list[Any]) -> cel.Type:
    kinds = {kind.name(): kind for kind in map(type_of, values)}
    return next(iter(kinds.values())) if len(kinds) == 1 else cel.Type.DYN


def _raised(error: RuntimeError) -> EvaluationError:
    """Return what became of an evaluation; a used-up budget is raised, other errors are returned."""
    return EvaluationError(mask(_without_noise(str(error))))


def _problems(text: str) -> list[Problem]:
    found = [
        Problem(max(int(line), 1), max(int(column), 1), _without_noise(message))
        for line, column, message in _PROBLEM.findall(text)
    ]
    return found or [Problem(1, 1, _without_noise(text.splitlines()[0]))]


def _without_noise(text: str) -> str:
    return _NOISE.sub("", text)


def _place(text: str, name: str) -> tuple[int, int]:
    """Return line and column of a name's first appearance."""
    before = text.partition(name)[0]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
