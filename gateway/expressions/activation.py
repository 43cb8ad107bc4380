"""The values that an evaluation uses: the values of variables and the results of function calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.errors import EvaluationError, TooManyTurnsError
from gateway.expressions.link_value import LinkValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cel_expr_python import cel
    from google.protobuf.message import Message

    from gateway.expressions.calls import ExternalCall


MOST_TURNS = 4096
"""The maximum number of loop iterations that are evaluated one by one for a decision.

4096 iterations take about 60 ms. Iterations are evaluated one by one if they cannot be
evaluated together, for example because an argument has no value in one iteration.
"""

_NUL = "\0"
_WRAPPED = (list, LinkValue)


class Activation:
    """The values of one decision. The results of function calls are added when an expression needs them.

    Attributes:
        values: the values of variables and the results of function calls, keyed by name.
        turn: the values of the loop variables in the current iteration, keyed by name.
    """

    __slots__ = (
        "_engine",
        "_environment",
        "_failures",
        "_known",
        "_text_class",
        "_turns_left",
        "_unwrapped",
        "_wrapped",
        "turn",
        "values",
    )

    def __init__(self, environment: cel.Env, values: Mapping[str, Any], text_class: type[Message]) -> None:
        """Store the values of the variables, before any function call is computed.

        Args:
            environment: the environment of the engine.
            values: the values of the variables, keyed by name.
            text_class: the class of google.protobuf.StringValue in the engine's descriptor pool.
        """
        self._environment = environment
        self._engine: cel.Activation | None = None
        self._known: set[str] = set()
        self._failures: dict[str, dict[str, str]] = {}
        self._text_class = text_class
        self._unwrapped: list[str] = []  # the names of the results in _WRAPPED that are not wrapped yet
        self._wrapped: dict[str, Any] = {}  # the results in _WRAPPED, as returned by _wrap
        self.values = dict(values)
        self.turn: dict[str, Any] = {}
        self._turns_left = MOST_TURNS

    def prepare(self, calls: Iterable[ExternalCall]) -> cel.Activation:
        """Compute the results of function calls and return the activation of the engine."""
        self.compute(calls)
        return self.engine()

    def compute(self, calls: Iterable[ExternalCall]) -> None:
        """Compute the results of function calls.

        A call that fails has no result. If an expression needs the missing result, the engine
        reports an error. Expressions that do not need the result are evaluated as usual.
        """
        for call in calls:
            name = call.name
            if name in self._known:
                continue
            self._known.add(name)
            try:
                value = self.values[name] = call.find(self)
            except EvaluationError as error:
                self.note(name, "", str(error))
                continue
            self._engine = None
            if isinstance(value, _WRAPPED):
                self._unwrapped.append(name)

    def engine(self) -> cel.Activation:
        """Return the activation of the engine, which contains all results that were computed so far."""
        if self._engine is None:
            self._engine = self._environment.Activation({**self.values, **self._wrap_results()})
        return self._engine

    def engine_of_turn(self, names: Iterable[str]) -> cel.Activation:
        """Return an activation of the engine that also contains the values of loop variables.

        Args:
            names: the names of the loop variables. They are keys of `turn`.
        """
        turn = {name: self._wrap(self.turn[name]) for name in names}
        return self._environment.Activation({**self.values, **self._wrap_results(), **turn})

    def _wrap_results(self) -> dict[str, Any]:
        """Return the results that are lists or links, in a form that the engine reads completely."""
        for name in self._unwrapped:
            self._wrapped[name] = self._wrap(self.values[name])
        self._unwrapped.clear()
        return self._wrapped

    def _wrap(self, value: Any) -> Any:
        """Return a value in a form that the engine reads completely.

        The engine cuts a Python string at its first NUL character.
        """
        if isinstance(value, str):
            return self._text_class(value=value) if _NUL in value else value
        if isinstance(value, list):
            return [self._wrap(one) for one in value]
        return value.to_message() if isinstance(value, LinkValue) else value

    def count_turn(self) -> None:
        """Count one loop iteration that is evaluated separately from the other iterations.

        Raises:
            TooManyTurnsError: the decision has more than MOST_TURNS such iterations. A function call that
                needs further iterations has no result.
        """
        self._turns_left -= 1
        if self._turns_left < 0:
            message = "a function fails in a loop, and the loops of the policies have too many turns"
            raise TooManyTurnsError(message)

    def note(self, call: str, key: str, reason: str) -> None:
        """Store the reason why a function call has no result.

        Args:
            call: the name of the call.
            key: the key of the missing result in the table of results; empty if the result has no key, or
                if the key is not known. For example, the result of a call outside of loops has no key.
            reason: the error message of the call.
        """
        self._failures.setdefault(call, {})[key] = reason

    def explain(self, text: str, calls: Iterable[ExternalCall]) -> str:
        """Return the reason for an error of the engine.

        If the error message contains the name of a failed function call or the key of its missing result,
        the reason that was stored for the call is returned. If the error message contains neither, the
        error message itself is returned.

        Args:
            text: the error message of the engine.
            calls: the function calls of the expression.
        """
        for call in calls:
            for key, reason in self._failures.get(call.name, {}).items():
                if f'"{key or call.name}"' in text:
                    return reason
        return text
