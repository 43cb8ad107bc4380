"""Calls of the gateway's functions. The gateway computes the results before the engine runs.

When the engine calls a Python function, it never releases the memory of the arguments
and the result. So the engine must not call Python functions. Instead, each call is replaced when an
expression is loaded (see linker.py):

- A call outside of loops is replaced by a variable. The value of the variable is the
  result of the call.
- A call in a loop is replaced by a look-up in a table. The table contains the results
  for the arguments of all iterations. The engine evaluates the arguments itself and uses
  their values as keys of the table. So the engine cannot read a result that belongs to
  other arguments.

When a call fails, the variable has no value, or the table has no entry for the
arguments. The evaluation fails only if the engine needs the missing value. An error in a
CEL function is handled in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.expressions.definitions import Definitions
from gateway.expressions.errors import EvaluationError, TooManyTurnsError
from gateway.expressions.functions import FIELDS, OVERLOADS, TABLE_TYPE
from gateway.expressions.python_code import PythonCode, to_function
from gateway.expressions.readers import missing_value
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from gateway.expressions.activation import Activation
    from gateway.expressions.functions import Toolbox
    from gateway.expressions.python_code import Evaluate, Names
    from gateway.expressions.readers import Read, ValueSource
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

KEYS = "@keys"
"""The ID of an internal function that returns the sorted keys of a map. Policies cannot call this function.

The gateway uses this ID like the ID of an overload.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop around a call.

    Attributes:
        key: the text that identifies the loop. Two loops that have equal keys iterate over equal values.
        variables: the names of the loop variables, one or two. They are keys of `Activation.turn`.
        values: the source of the values that the loop iterates over.
        is_readable: whether Python can read the values. Python can read them if their type is known and they
            are never null.
        node: the part of the expression that returns the values. It is a cel.expr.Expr.
        names: the loop variables and policy variables that `node` may refer to, keyed by name.
    """

    key: str
    variables: tuple[str, ...]
    values: ValueSource
    is_readable: bool
    node: Node
    names: Names

    def turns(self, activation: Activation) -> Iterator[None]:
        """Yield once for each iteration, after setting the loop variables to the values of the iteration.

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
    """A function call that the gateway computes.

    Attributes:
        name: the name of a variable. Its value is the result of the call. For a call in a loop, its value is
            the table of results.
        function: the Python function that computes the result.
        arguments: the sources of the arguments' values.
        loops: the loops that the arguments depend on, from the outermost to the innermost.
        keys: the positions of the arguments that depend on loops. The values of these arguments are the keys
            of the table.
        collect: the function that returns the values of the arguments in `keys` for all iterations. The
            returned lists are nested in the same way as the loops. `collect` is None if the iterations are
            evaluated one by one.
        is_evaluated: whether the engine evaluates at least one argument.
        direct: the function that reads all arguments and returns the result; None if the call is in a loop,
            or if Python code cannot read all arguments.
        field: the name of the table's field that contains the results.
        table_class: the class of the protobuf messages of TABLE_TYPE.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[ValueSource, ...]
    loops: tuple[Loop, ...] = ()
    keys: tuple[int, ...] = ()
    collect: Read | None = None
    is_evaluated: bool = False
    direct: Evaluate | None = None
    field: str = ""
    table_class: type[Message]

    def find(self, activation: Activation) -> Any:
        """Return the result of the call. For a call in a loop, return the table of results.

        Raises:
            EvaluationError: the result or the table cannot be computed.
        """
        if self.direct is not None:
            try:
                return self.direct(activation.values, activation.turn)
            except KeyError as error:
                raise missing_value(error) from None
            except (ValueError, TypeError) as error:
                raise EvaluationError(redact_text(str(error))) from error
        if not self.loops:
            return self._call(self._read(activation))
        table = self.table_class()
        if self.collect is None:
            self._fill(table, activation, 0)
            return table
        try:
            gathered = self.collect(activation)
        except EvaluationError:  # one iteration failed, but other iterations may have results
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
        """Return the values of the arguments that do not change between iterations, keyed by position."""
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
        """Compute the result for each iteration of a loop and of its inner loops, one by one.

        Args:
            table: the table that the results are added to.
            activation: the values of the decision.
            depth: the position of the loop in `loops`.
        """
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
        """Compute the result for one iteration and add it to the table."""
        key = ""
        try:
            *outer, key = (given[index] for index in self.keys)
            for one in outer:
                table = table.rows[one]
            results = getattr(table, self.field)
            if key in results:
                return
            result = self._call(given)
        except (EvaluationError, TypeError) as error:  # a TypeError means that the key is not a text
            activation.note(self.name, str(key), str(error))
            return
        if self.field == "links":
            results[key].CopyFrom(result.to_message())
        else:
            results[key] = result


class Calls:
    """The function calls in all expressions of a method. Equal function calls are computed only once."""

    def __init__(self, schema: Schema, tools: Toolbox, definitions: Definitions | None = None) -> None:
        """Create an empty collection of function calls.

        Args:
            schema: the schema that contains the types for the type check of expressions.
            tools: the dependencies of the functions.
            definitions: the CEL definitions of functions. If left out, the constructor compiles them.
        """
        self.schema = schema
        self.definitions = definitions or Definitions(schema)
        self._table_class = schema.message(TABLE_TYPE)
        self._functions = {name: form.compute(tools) for name, form in OVERLOADS.items()} | {KEYS: sorted}
        self._known: dict[str, ExternalCall] = {}

    def is_computed(self, overload: str) -> bool:
        """Return whether the gateway, and not the engine, computes the calls of an overload."""
        return overload in self._functions

    def add(
        self,
        overload: str,
        arguments: tuple[ValueSource, ...],
        loops: tuple[Loop, ...] = (),
        keys: tuple[int, ...] = (),
        collect: Read | None = None,
    ) -> ExternalCall:
        """Return the call of an overload. If an equal call exists, the existing call is returned.

        Each parameter except `overload` has the same meaning as the attribute of `ExternalCall` that has
        the same name.
        """
        key = repr((overload, [one.key for one in arguments], [one.key for one in loops]))
        if key not in self._known:
            function = self._functions[overload]
            self._known[key] = ExternalCall(
                name=f"@{len(self._known)}",
                function=function,
                arguments=arguments,
                loops=loops,
                keys=keys,
                collect=collect,
                is_evaluated=any(one.is_evaluated for one in arguments),
                direct=None if loops else _compile_direct(function, arguments),
                field=FIELDS.get(overload, ""),
                table_class=self._table_class,
            )
        return self._known[key]


def _compile_direct(function: Callable[..., Any], arguments: tuple[ValueSource, ...]) -> Evaluate | None:
    if not all(one.code for one in arguments):
        return None
    code = PythonCode(f"call({', '.join(one.code for one in arguments)})")
    return to_function(code, function)
