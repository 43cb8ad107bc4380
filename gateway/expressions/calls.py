"""Calls of the gateway's functions, computed outside of the engine before an evaluation.

The engine never releases what it passes to a Python function, nor what that returns,
so it must not call one. When an expression is loaded (see linker.py), each call is
replaced:

- outside of loops by a variable, which is set to the result;
- in a loop by a look-up in a table, which holds the result for the text of each turn.
  The engine evaluates the text itself, so it cannot read the result of another text.

When a call fails, its variable is not set, or its text is not in the table. That is
an error only where the engine needs the value, like an error of the function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.expressions.definitions import Definitions
from gateway.expressions.errors import EvaluationError, TooManyTurnsError
from gateway.expressions.functions import FIELDS, OVERLOADS, TABLE_TYPE
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from gateway.expressions.activation import Activation
    from gateway.expressions.functions import Toolbox
    from gateway.expressions.readers import Names, Read, ValueSource
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

KEYS = "@keys"
"""Used in the place of the overload of a function: the keys of a map, in ascending order."""


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop around a call.

    Attributes:
        key: equal for loops over the same values.
        variables: names of its one or two variables in a turn.
        values: its range.
        is_readable: its values are of a type that is known, so that they can leave the engine.
        node: the values as a part of the expression, a cel.expr.Expr.
        names: the names that the values may refer to.
    """

    key: str
    variables: tuple[str, ...]
    values: ValueSource
    is_readable: bool
    node: Node
    names: Names

    def turns(self, activation: Activation) -> Iterator[None]:
        """Set the variables for each turn.

        Raises:
            EvaluationError: the values of the loop cannot be evaluated.
        """
        values = self.values.read(activation)
        turn, names = activation.turn, self.variables
        if len(names) == 1:
            for turn[names[0]] in values:
                yield
            return
        for pair in values.items() if hasattr(values, "items") else enumerate(values):
            turn[names[0]], turn[names[1]] = pair
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalCall:
    """A call that the gateway computes.

    Attributes:
        name: the name of the variable that holds the result, or the table of results.
        function: takes texts.
        arguments: the arguments of the call.
        loops: the loops that the arguments depend on, the outer ones first; none outside of loops.
        keys: the variables of those loops that the arguments use; the table is looked up by them.
        collect: returns those arguments of all turns, nested like the loops; None when the engine is not
            needed for that.
        is_evaluated: whether the engine evaluates an argument.
        field: the field of the table that holds results of the function's type.
        table_class: class of TABLE_TYPE.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[ValueSource, ...]
    loops: tuple[Loop, ...] = ()
    keys: tuple[int, ...] = ()
    collect: Read | None = None
    is_evaluated: bool = False
    field: str = ""
    table_class: type[Message]

    def find(self, activation: Activation) -> Any:
        """Return the result, or the table of results.

        Raises:
            EvaluationError: there is none.
        """
        if not self.loops:
            return self._call(self._read(activation))
        table = self.table_class()
        if self.collect is None:
            self._fill(table, activation, 0)
            return table
        try:
            gathered = self.collect(activation)
        except EvaluationError:  # in some turn; the other turns have results
            self._fill(table, activation, 0)
            return table
        for _ in self.loops[1:]:
            gathered = [given for inner in gathered for given in inner]
        fixed = self._read_fixed(activation) if gathered else {}
        for turn in gathered:
            given = fixed | dict(zip(self.keys, turn, strict=True))
            self._add(table, activation, [given[index] for index in range(len(self.arguments))])
        return table

    def _read_fixed(self, activation: Activation) -> dict[int, Any]:
        """Return the arguments that are the same in all turns, by their positions."""
        return {
            index: argument.read(activation)
            for index, argument in enumerate(self.arguments)
            if index not in self.keys
        }

    def _read(self, activation: Activation) -> list[Any]:
        return [argument.read(activation) for argument in self.arguments]

    def _call(self, given: list[Any]) -> Any:
        try:
            return self.function(*given)
        except (ValueError, TypeError) as error:
            raise EvaluationError(redact_text(str(error))) from error

    def _fill(self, table: Any, activation: Activation, depth: int) -> None:
        """Compute the results of the turns of a loop, and of the loops within it, one by one."""
        if depth == len(self.loops):
            if self.is_evaluated:
                activation.count_turn()
            try:
                self._add(table, activation, self._read(activation))
            except EvaluationError as error:
                activation.note(self.name, "", str(error))
            return
        try:
            for _ in self.loops[depth].turns(activation):
                self._fill(table, activation, depth + 1)
        except TooManyTurnsError:
            raise
        except EvaluationError as error:
            if not depth:
                raise
            activation.note(self.name, "", str(error))

    def _add(self, table: Any, activation: Activation, given: list[Any]) -> None:
        """Compute the result of one turn."""
        key = ""
        try:
            *outer, key = (given[index] for index in self.keys)
            for one in outer:
                table = table.rows[one]
            results = getattr(table, self.field)
            if key in results:
                return
            result = self._call(given)
        except (EvaluationError, TypeError) as error:  # a key may be another value than a text
            activation.note(self.name, str(key), str(error))
            return
        if self.field == "links":
            results[key].CopyFrom(result)
        else:
            results[key] = result


class Calls:
    """The calls of all expressions of a method; one that occurs in several places is computed once."""

    def __init__(self, schema: Schema, tools: Toolbox, definitions: Definitions | None = None) -> None:
        """Prepare.

        Args:
            schema: the schema whose types expressions are checked against.
            tools: the tools that the functions work with.
            definitions: the definitions of the functions that are defined in CEL; made here when left out.
        """
        self.schema = schema
        self.definitions = definitions or Definitions(schema)
        self._table_class = schema.message(TABLE_TYPE)
        self._functions = {name: form.compute(tools) for name, form in OVERLOADS.items()} | {KEYS: sorted}
        self._known: dict[str, ExternalCall] = {}

    def is_computed(self, overload: str) -> bool:
        """Whether the gateway computes a form of a function."""
        return overload in self._functions

    def add(
        self,
        overload: str,
        arguments: tuple[ValueSource, ...],
        loops: tuple[Loop, ...] = (),
        keys: tuple[int, ...] = (),
        collect: Read | None = None,
    ) -> ExternalCall:
        """Return the call of a form of a function."""
        key = repr((overload, [one.key for one in arguments], [one.key for one in loops]))
        if key not in self._known:
            self._known[key] = ExternalCall(
                name=f"@{len(self._known)}",
                function=self._functions[overload],
                arguments=arguments,
                loops=loops,
                keys=keys,
                collect=collect,
                is_evaluated=any(one.is_evaluated for one in arguments),
                field=FIELDS.get(overload, ""),
                table_class=self._table_class,
            )
        return self._known[key]
