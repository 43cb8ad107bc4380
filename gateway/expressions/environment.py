"""Compiles the expressions of one binding.

An expression is compiled twice. The first compilation uses the text that the author
wrote. It finds the type of the expression and the position of each problem. The second
compilation adds the policy's variables to the expression with `cel.bind`. The result of
the second compilation is evaluated. So the value of a variable never leaves the engine.
The engine computes the value lazily, and at most once in an evaluation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, cast

from cel_expr_python import cel

from gateway.expressions.activation import Activation
from gateway.expressions.advice import Known, advise
from gateway.expressions.calls import Calls
from gateway.expressions.cel_types import type_of
from gateway.expressions.checked import CHECKED, part_of, unpack
from gateway.expressions.cost_estimator import CostEstimator
from gateway.expressions.costs import estimate_value
from gateway.expressions.editing import Editor
from gateway.expressions.errors import CostLimitError, EvaluationError, ExpressionError, Problem
from gateway.expressions.expression import Executable, Expression, reads_of, without_noise
from gateway.expressions.functions import OWN_NAMES, PATTERN_KINDS, declare_functions
from gateway.expressions.libraries import AUTHORS, COMPOSED, find_refused
from gateway.expressions.linker import Linker
from gateway.expressions.patterns import PatternError
from gateway.expressions.syntax import names_in, walk
from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gateway.expressions.functions import Toolbox
    from gateway.expressions.syntax import Node
    from gateway.schema import Schema

_PROBLEM = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_TIMES = {
    "timestamp": 'no time that exists; write one with its zone, as timestamp("2026-12-31T18:00:00Z")',
    "duration": 'no duration; write a number with h, m, s or ms, as duration("36h")',
}
"""A function that reads a time or a duration → the error message about a literal that is not valid."""
_MAX_COMPOSED = 65536
_MAX_VARIABLES = 24  # each variable adds a level of nesting, and the engine allows 32 levels


class Environment:
    """Compiles the expressions of one binding, for one type of request."""

    def __init__(
        self,
        schema: Schema,
        tools: Toolbox,
        variables: Mapping[str, cel.Type],
        parameters: Mapping[str, Any] | None = None,
        container: str = "b",
        calls: Calls | None = None,
    ) -> None:
        """Create an environment that contains no variables of the policy.

        Args:
            schema: the schema that contains the types for the type check of expressions.
            tools: the dependencies of the functions.
            variables: the types of the variables that every binding has, keyed by variable name.
            parameters: the values of the binding's parameters, keyed by parameter name.
            container: the prefix of the names that belong to the binding.
            calls: the function calls that all bindings of the method share. If left out, the environment
                creates its own collection of calls.
        """
        self._schema = schema
        self._tools = tools
        self.container = container
        self._checked_class = schema.message(CHECKED)
        self._text_class = schema.message("google.protobuf.StringValue")
        self.parameters = {self._full(f"params.{name}"): value for name, value in (parameters or {}).items()}
        self._types = dict(variables) | {name: type_of(value) for name, value in self.parameters.items()}
        self._costs = {name: estimate_value(value) for name, value in self.parameters.items()}
        self._constants: dict[str, Any] = dict(self.parameters)
        self._variables: dict[str, Expression] = {}
        self._refused: set[str] = set()
        self._functions = declare_functions()
        self._calls = calls or Calls(schema, tools)
        self._alone = self._make(AUTHORS)
        self._composed = self._make(COMPOSED)

    def _full(self, name: str) -> str:
        return f"{self.container}.{name}"

    def _make(self, config: cel.EnvConfig) -> cel.Env:
        return cel.NewEnv(
            descriptor_pool=self._schema.pool,
            config=config,
            variables=self._types,
            functions=self._functions,
            container=self.container,
        )

    def declare(self, name: str, expression: Expression | None) -> None:
        """Declare a variable. Expressions that are compiled later can read the variable.

        Args:
            name: the name of the variable.
            expression: the expression that computes the variable; None if the expression was refused.
        """
        self._types[self._full(name)] = expression.returns if expression else cel.Type.DYN
        self._alone = self._make(AUTHORS)
        if expression is None or expression.reads & self._refused:
            self._refused.add(name)
            return
        self._variables[name] = expression
        if self.is_constant(expression):
            try:
                self._constants[self._full(name)] = expression.evaluate(self.activate(self._constants))
            except EvaluationError:  # each decision that needs the variable reports the error
                return

    def is_constant(self, expression: Expression) -> bool:
        """Return whether an expression has the same value for every request."""
        known = {self._full(name) for name in expression.reads} | expression.reads
        return not (known & self._types.keys()) - self._constants.keys()

    def activate(self, values: Mapping[str, Any]) -> Activation:
        """Return an activation that contains the given values of variables."""
        return Activation(self._composed, values, self._text_class)

    def full_name(self, variable: str) -> str:
        """Return the name that a variable of the policy has in an activation."""
        return self._full(variable)

    def part(self, expression: Expression, node: Node) -> Executable:
        """Return the executable of a part of an expression.

        The executable reads the policy's variables from the activation.
        """
        return self._link(self._alone, part_of(expression.checked, node))[0]

    def constant_part(self, expression: Expression, node: Node) -> Any:
        """Return the value of a part of an expression.

        The result is None if the part depends on the request, or if the part cannot be evaluated.
        """
        if names_in(node) - self._constants.keys():
            return None
        return self._evaluate_constant(expression.checked, node)

    def compile(self, text: str, returns: cel.Type | None = None) -> Expression:
        """Compile and type-check an expression.

        Args:
            text: the text of the expression.
            returns: the type that the expression has to return; None if every type is allowed.

        Raises:
            ExpressionError: the expression is refused. The error contains the problems.
        """
        try:
            alone = self._alone.compile(text)
        except (RuntimeError, ValueError) as error:
            raise ExpressionError(self._advise(text, _problems(str(error)), returns)) from error
        checked = unpack(alone, self._checked_class)
        reads = reads_of(checked, self.container)
        is_open = bool(
            reads & self._refused
        )  # the type of the expression may depend on a refused variable, whose type is not known
        if returns is not None and alone.return_type() != returns and not is_open:
            given = alone.return_type().name()
            raise ExpressionError([Problem(1, 1, f"gives {given}, but has to give {returns.name()}")])
        self._refuse(text, checked)
        self._add_patterns(text, checked)
        self._check_times(text, checked)
        # An expression that needs a refused variable is checked, but never evaluated.
        executable, steps = (Executable(alone, ()), 0) if is_open else self.compose(text, reads)
        return Expression(text, executable, alone.return_type(), checked, reads, steps)

    def compose(self, text: str, reads: frozenset[str]) -> tuple[Executable, int]:
        """Compile an expression together with the variables that it needs.

        Return the executable and the cost of the executable in steps. The variables are bound around the
        whole expression, because no loop may run before a `cel.bind`. A loop that ends early can overwrite
        the value that the next `cel.bind` stores.

        Args:
            text: the text of the expression.
            reads: the names of the variables that the expression reads.

        Raises:
            ExpressionError: the expression costs too much, is too long, or needs too many variables.
        """
        needed = self._needed(reads)
        if len(needed) > _MAX_VARIABLES:
            message = (
                f"needs {len(needed)} variables, {_MAX_VARIABLES} are allowed; put some of them together"
            )
            raise ExpressionError([Problem(1, 1, message)])
        opening = "".join(f"cel.bind({name}, ({self._variables[name].text}\n), " for name in needed)
        composed = f"{opening}({text}\n){')' * len(needed)}"
        if len(composed) > _MAX_COMPOSED:
            raise ExpressionError([Problem(1, 1, "too long together with the variables that it needs")])
        try:
            checked = unpack(self._composed.compile(composed), self._checked_class)
        except (RuntimeError, ValueError) as error:
            raise ExpressionError([Problem(1, 1, one.message) for one in _problems(str(error))]) from error
        return self._link(self._composed, checked)

    def _link(self, environment: cel.Env, checked: Any) -> tuple[Executable, int]:
        """Return the executable of a checked form, and the cost in steps. The checked form is changed."""
        editor = Editor(checked)
        try:
            self._calls.definitions.expand(editor, checked.expr)
            estimator = CostEstimator(checked.type_map, self._schema, self._tools.limits)
            steps = estimator.estimate(checked.expr, self._costs).steps
            return Linker(editor, self._calls, environment).link(), steps
        except CostLimitError as error:
            raise ExpressionError([Problem(1, 1, str(error))]) from error

    def _needed(self, reads: frozenset[str]) -> list[str]:
        """Return the variables that an expression needs, in the order of declaration.

        The expression also needs every variable that another needed variable depends on.

        Args:
            reads: the names of the variables that the expression itself reads.
        """
        needed: set[str] = set()
        for name in reversed(self._variables):
            if name in reads:
                needed.add(name)
                reads |= self._variables[name].reads
        return [name for name in self._variables if name in needed]

    def _refuse(self, text: str, checked: Any) -> None:
        """Refuse an expression that uses a function or macro that is not available to policies."""
        positions = checked.source_info.positions
        refused = [
            Problem(*_place(text, positions.get(node.id, 0)), message)
            for node, message in find_refused(checked.expr)
        ]
        if refused:
            raise ExpressionError(refused)

    def _add_patterns(self, text: str, checked: Any) -> None:
        problems = []
        for node in walk(checked.expr):
            kind = PATTERN_KINDS.get(node.call_expr.function)
            if kind is None:
                continue
            try:
                pattern = self._constant_of(checked, node.call_expr.args[-1])
                self._tools.patterns.add(cast('Literal["regex", "glob"]', kind), pattern)
            except PatternError as error:
                offset = checked.source_info.positions.get(node.call_expr.args[-1].id, 0)
                problems.append(Problem(*_place(text, offset), str(error)))
        if problems:
            raise ExpressionError(problems)

    def _check_times(self, text: str, checked: Any) -> None:
        """Refuse an expression that contains an invalid literal for a time or a duration.

        The evaluation of such a literal would fail for every request.
        """
        problems = []
        for node in walk(checked.expr):
            call = node.call_expr
            if call.function not in _TIMES or call.args[0].const_expr.WhichOneof("constant_kind") is None:
                continue
            if self._evaluate_constant(checked, node) is None:
                given = call.args[0].const_expr
                shown = getattr(given, str(given.WhichOneof("constant_kind")))
                offset = checked.source_info.positions.get(call.args[0].id, 0)
                problems.append(Problem(*_place(text, offset), f"{shown!r} is {_TIMES[call.function]}"))
        if problems:
            raise ExpressionError(problems)

    def _evaluate_constant(self, checked: Any, node: Node) -> Any:
        """Return the value of a part that does not depend on the request; None if the evaluation fails."""
        try:
            executable, _ = self._link(self._alone, part_of(checked, node))
            return executable.evaluate(self.activate(self._constants))
        except EvaluationError:
            return None

    def _constant_of(self, checked: Any, node: Node) -> str:
        value = self._evaluate_constant(checked, node)
        if not isinstance(value, str):
            raise PatternError("a pattern is a literal or made of parameters, so that it is compiled once")
        return value

    def _advise(self, text: str, problems: list[Problem], returns: cel.Type | None) -> list[Problem]:
        """Return the problems of an expression, with advice added to the error messages."""
        request = self._types.get("request")
        known = Known(
            variables=[name.removeprefix(f"{self.container}.") for name in self._types],
            request_fields=self._fields_of(request.name()) if request else (),
            functions=OWN_NAMES,
            fields_of=self._fields_of,
        )
        is_text = returns is not None and returns == cel.Type.STRING
        return advise(text, problems, known, is_text=is_text)

    def _fields_of(self, message: str) -> Collection[str]:
        return descriptor_of(self._schema.message(message)).fields_by_name.keys()


def _problems(text: str) -> list[Problem]:
    found = [
        Problem(max(int(line), 1), max(int(column), 1), without_noise(message))
        for line, column, message in _PROBLEM.findall(text)
    ]
    return found or [Problem(1, 1, without_noise(text.splitlines()[0]))]


def _place(text: str, offset: int) -> tuple[int, int]:
    """Return the line and the column of an offset in a text."""
    before = text[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
