"""The compiled bindings of one method, and the input that the expressions of the bindings read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.expressions import EvaluationError
from gateway.expressions.conditions import UNDECIDABLE
from gateway.expressions.python_code import PythonCode, to_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from google.protobuf.message import Message

    from gateway.call import Caller
    from gateway.errors import FieldViolation
    from gateway.expressions import Activation, Environment, Executable, Expression
    from gateway.expressions.calls import ExternalCall
    from gateway.expressions.python_code import Evaluate
    from gateway.policy.field_path import FieldPath, MutationTarget

CALLER_TYPE = "baremetal_gateway.v1.Caller"


class PolicyInput(NamedTuple):
    """The input of policies.

    Attributes:
        method: the full name of the method.
        request: the request message. It is never changed; mutations change a copy.
        caller: the caller of the method.
        now: the value of the variable `now` in rules. It has a time zone.
    """

    method: str
    request: Message
    caller: Caller
    now: datetime

    def __repr__(self) -> str:
        """Return a text without the request, because the request may contain a signature."""
        return f"PolicyInput(method={self.method!r}, now={self.now!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A compiled rule."""

    name: str
    severity: str
    field: FieldPath
    assertion: Expression
    message: Expression | None
    fix: Expression | None

    @property
    def reads(self) -> frozenset[str]:
        """Every name that the expressions of the rule refer to."""
        return _reads(self.assertion, self.message, self.fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledMutation:
    """A compiled mutation.

    Attributes:
        name: the name of the mutation: `set[<index>]`. Violations contain this name instead of a rule's name.
    """

    name: str
    target: MutationTarget
    value: Expression
    when: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledWaiver:
    """A compiled waiver.

    Attributes:
        expires: the time from which the waiver has no effect.
    """

    name: str
    rules: frozenset[str]
    when: Expression | None
    owner: str
    ticket: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBinding:
    """A binding and its policy, compiled for one method.

    Attributes:
        variables: the names and expressions of the variables, in the order of the policy document.
        checks: the expressions that combine the assertions of the rules. All checks are true if and only if
            every rule is met and every rule can be evaluated.
    """

    name: str
    policy: str
    action: str
    environment: Environment
    when: Expression | None
    variables: tuple[tuple[str, Expression], ...]
    rules: tuple[CompiledRule, ...]
    mutations: tuple[CompiledMutation, ...]
    waivers: tuple[CompiledWaiver, ...]
    checks: tuple[Executable, ...]

    @property
    def reads(self) -> frozenset[str]:
        """Every name that the expressions of the binding refer to."""
        return _reads(*self._expressions(), *(expression for _, expression in self.variables))

    @property
    def steps(self) -> int:
        """The number of steps that a request costs if it breaks every rule. See cost_estimator.py."""
        return sum(one.steps for one in self._expressions() if one is not None)

    @property
    def calls_of_every_request(self) -> Iterator[ExternalCall]:
        """Yield the function calls in the condition and in the checks.

        The function calls in the messages of rules are excluded, because most requests break no rule.
        """
        if self.when is not None:
            yield from self.when.executable.calls
        for check in self.checks:
            yield from check.calls

    @property
    def executables(self) -> Iterator[Executable]:
        """Yield every executable that the evaluation of a request may need."""
        yield from (one.executable for one in self._expressions() if one is not None)
        yield from self.checks

    def _expressions(self) -> Iterator[Expression | None]:
        """Yield every expression that the evaluation of a request may need.

        The iterator contains None for each optional expression that the bundle does not define.
        Variables are not included, because they are compiled into the expressions that read them.
        """
        yield self.when
        for rule in self.rules:
            yield from (rule.assertion, rule.message, rule.fix)
        for mutation in self.mutations:
            yield from (mutation.value, mutation.when)
        for waiver in self.waivers:
            yield waiver.when


class Program:
    """The bindings of one method, in the order of the files.

    All expressions of the bindings are evaluated in one activation. The engine therefore
    converts the request only once.
    """

    def __init__(
        self,
        bindings: tuple[CompiledBinding, ...],
        caller_class: type[Message],
        find_oversized: Callable[[Message], list[FieldViolation]] | None = None,
    ) -> None:
        """Create the program.

        Args:
            bindings: the bindings of the method.
            caller_class: the message class of CALLER_TYPE.
            find_oversized: the function that returns a violation for each value of a request that is too
                large for policies; None if the API limits the size of every field.
        """
        self.find_oversized = find_oversized
        self.bindings = bindings
        self.mutating = tuple(binding for binding in bindings if binding.mutations)
        self._caller_class = caller_class
        self._environment = bindings[0].environment
        self._parameters: Mapping[str, Any] = {
            name: value for binding in bindings for name, value in binding.environment.parameters.items()
        }
        reads = frozenset[str]().union(*(binding.reads for binding in bindings))
        self._reads_caller = "caller" in reads
        self._test = _to_test(bindings)
        self._untested: tuple[bool | None, ...] = (None,) * len(bindings)
        # The results of these calls are computed first, so that the engine converts the request only once.
        self._calls: tuple[ExternalCall, ...] = tuple(
            dict.fromkeys(call for binding in bindings for call in binding.calls_of_every_request)
        )

    def activate(self, policy_input: PolicyInput, further: Mapping[str, Any] | None = None) -> Activation:
        """Return the activation for the expressions of every binding.

        Args:
            policy_input: the request and its context.
            further: the values of additional variables. The keys are the full names of the variables.
        """
        method, request, caller, now = policy_input
        values = {**self._parameters, "request": request, "method": method, "now": now, **(further or {})}
        if self._reads_caller:
            values["caller"] = self._to_message(caller)
        activation = self._environment.activate(values)
        activation.compute(self._calls)
        return activation

    def test(self, activation: Activation) -> tuple[bool | None, ...]:
        """Return for each binding whether the request meets all its rules, or the binding does not apply.

        All conditions that do not need the engine are evaluated together. The value is None for a binding
        with another condition, and for all bindings if one of the conditions has no value.
        """
        if self._test is None:
            return self._untested
        try:
            found: tuple[bool | None, ...] = self._test(activation.values, {})
        except UNDECIDABLE:
            return self._untested
        return found

    def warm_up(self, policy_input: PolicyInput) -> None:
        """Evaluate every expression once, so that the first call of a client is not slow.

        The engine prepares an expression at the first evaluation of the expression.
        """
        activation = self.activate(policy_input)
        for binding in self.bindings:
            for one in binding.executables:
                with suppress(EvaluationError):
                    one.evaluate(activation)

    def _to_message(self, caller: Caller) -> Message:
        return self._caller_class(
            id=caller.id,
            kind=caller.kind,
            groups=caller.groups,
            address=caller.address,
            claims=dict(caller.claims),
        )


def _to_test(bindings: tuple[CompiledBinding, ...]) -> Evaluate | None:
    """Return a function that evaluates the conditions of all bindings; None if the code would be too long."""
    tests = "".join(f"{_code_of(binding)}, " for binding in bindings)
    return to_function(PythonCode(f"({tests})"))


def _code_of(binding: CompiledBinding) -> str:
    """Return the Python code that tests a binding; `None` if the engine is needed."""
    checks = [check.code for check in binding.checks]
    condition = None if binding.when is None else binding.when.executable.code
    if not all(checks) or (binding.when is not None and condition is None):
        return "None"
    met = " and ".join(f"bool({one.text})" for one in checks if one) or "True"
    return f"({met})" if condition is None else f"(not {condition.text} or ({met}))"


def _reads(*expressions: Expression | None) -> frozenset[str]:
    return frozenset[str]().union(*(one.reads for one in expressions if one is not None))
