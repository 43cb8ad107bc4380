"""The values for an evaluation: variables, and the results of calls that the gateway computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.errors import EvaluationError, TooManyTurnsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cel_expr_python import cel
    from google.protobuf.message import Message

    from gateway.expressions.calls import ExternalCall


MOST_TURNS = 4096
"""Turns of loops that are evaluated one by one for a decision, where a call fails in one: some 60 ms."""

_NUL = "\0"


class Activation:
    """The values of one decision. Results of calls are added when an expression needs them.

    Attributes:
        values: name → value, of variables and of calls.
        turn: name → value, of the variables of loops in the current turn.
    """

    __slots__ = (
        "_engine",
        "_environment",
        "_failures",
        "_known",
        "_text_class",
        "_turns_left",
        "_wrapped",
        "turn",
        "values",
    )

    def __init__(self, environment: cel.Env, values: Mapping[str, Any], text_class: type[Message]) -> None:
        """Prepare.

        Args:
            environment: the environment of the engine.
            values: the values of variables.
            text_class: class of google.protobuf.StringValue, among the types of the engine.
        """
        self._environment = environment
        self._engine: cel.Activation | None = None
        self._known: set[str] = set()
        self._failures: dict[str, dict[str, str]] = {}
        self._text_class = text_class
        self._wrapped: dict[str, Any] = {}  # values in the form for the engine
        self.values = dict(values)
        self.turn: dict[str, Any] = {}
        self._turns_left = MOST_TURNS

    def prepare(self, calls: Iterable[ExternalCall]) -> cel.Activation:
        """Compute the results of calls and return the activation of the engine.

        A call that fails has no value. In the engine an expression that needs the value
        is then an error; one that does not need it is evaluated as usual.
        """
        for call in calls:
            if call.name in self._known:
                continue
            self._known.add(call.name)
            try:
                value = self.values[call.name] = call.find(self)
            except EvaluationError as error:
                self.note(call.name, "", str(error))
                continue
            self._engine = None
            if isinstance(value, list):
                self._wrapped[call.name] = self._wrap(value)
        return self.engine()

    def engine(self) -> cel.Activation:
        """Return the activation of the engine, with the results known so far."""
        if self._engine is None:
            self._engine = self._environment.Activation({**self.values, **self._wrapped})
        return self._engine

    def engine_of_turn(self, names: Iterable[str]) -> cel.Activation:
        """Return the activation of the engine with the variables of loops."""
        turn = {name: self._wrap(self.turn[name]) for name in names}
        return self._environment.Activation({**self.values, **self._wrapped, **turn})

    def _wrap(self, value: Any) -> Any:
        """Return a value in a form that the engine reads whole: it cuts a Python text at NUL."""
        if isinstance(value, str):
            return self._text_class(value=value) if _NUL in value else value
        if isinstance(value, list):
            return [self._wrap(one) for one in value]
        return value

    def count_turn(self) -> None:
        """Count a turn of a loop that is evaluated separately.

        Raises:
            TooManyTurnsError: there were too many; calls that need further ones have no result.
        """
        self._turns_left -= 1
        if self._turns_left < 0:
            message = "a function fails in a loop, and the loops of the policies have too many turns"
            raise TooManyTurnsError(message)

    def note(self, call: str, key: str, reason: str) -> None:
        """Keep the reason why a call has no result.

        Args:
            call: its name.
            key: the text that it was called with; empty for a call outside of loops.
            reason: a message.
        """
        self._failures.setdefault(call, {})[key] = reason

    def explain(self, text: str, calls: Iterable[ExternalCall]) -> str:
        """Return the engine's message, or the reason where the result of a call is missing."""
        for call in calls:
            for key, reason in self._failures.get(call.name, {}).items():
                if f'"{key or call.name}"' in text:
                    return reason
        return text
