"""What expressions are evaluated in: the variables, with the results of calls that the gateway computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cel_expr_python import cel
    from google.protobuf.message import Message

    from gateway.expressions.calls import ExternalCall


_NUL = "\0"
_MOST_TURNS = 4096  # evaluated one by one they take some 100 ms


class Activation:
    """The values of one evaluation. It is filled as expressions need it, and serves one decision.

    Attributes:
        values: name → value, of variables and of calls.
        turns_left: of loops that may still be evaluated one by one; a request chooses how many fail.
        turn: name → value, of the loops around a call while its arguments are read.
    """

    __slots__ = (
        "_engine",
        "_environment",
        "_failures",
        "_known",
        "_text_class",
        "_wrapped",
        "turn",
        "turns_left",
        "values",
    )

    def __init__(self, environment: cel.Env, values: Mapping[str, Any], text_class: type[Message]) -> None:
        """Prepare.

        Args:
            environment: of the engine.
            values: of variables.
            text_class: class of google.protobuf.StringValue, among the types of the engine.
        """
        self._environment = environment
        self._engine: cel.Activation | None = None
        self._known: set[str] = set()
        self._failures: dict[str, dict[str, str]] = {}
        self._text_class = text_class
        self._wrapped: dict[str, Any] = {}  # what the engine takes instead of values
        self.values = dict(values)
        self.turn: dict[str, Any] = {}
        self.turns_left = _MOST_TURNS

    def prepare(self, calls: Iterable[ExternalCall]) -> cel.Activation:
        """Return what the engine evaluates in, once the results of the calls are in it.

        A call that fails has no value: what needs it is an error in the engine too,
        and what does not need it is not.
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
        """Return what the engine evaluates in, with the results known so far."""
        if self._engine is None:
            self._engine = self._environment.Activation({**self.values, **self._wrapped})
        return self._engine

    def engine_of_turn(self, names: Iterable[str]) -> cel.Activation:
        """Return the same with the variables of loops."""
        turn = {name: self._wrap(self.turn[name]) for name in names}
        return self._environment.Activation({**self.values, **self._wrapped, **turn})

    def _wrap(self, value: Any) -> Any:
        """Return a value as the engine takes it: of a text with NUL it would take the start only."""
        if isinstance(value, str):
            return self._text_class(value=value) if _NUL in value else value
        if isinstance(value, list):
            return [self._wrap(one) for one in value]
        return value

    def note(self, call: str, key: str, reason: str) -> None:
        """Keep why a call has no result.

        Args:
            call: its name.
            key: the text that it was called with; empty for a call outside of loops.
            reason: for people.
        """
        self._failures.setdefault(call, {})[key] = reason

    def explain(self, text: str, calls: Iterable[ExternalCall]) -> str:
        """Return the engine's message; where it lacks the result of a call, why there is none."""
        for call in calls:
            for key, reason in self._failures.get(call.name, {}).items():
                if f'"{key or call.name}"' in text:
                    return reason
        return text
