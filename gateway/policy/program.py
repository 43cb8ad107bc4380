"""The compiled bindings of one method, and the input that their expressions read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.expressions import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from google.protobuf.message import Message

    from gateway.call import Caller
    from gateway.errors import FieldViolation
    from gateway.expressions import Activation, Environment, Executable, Expression
    from gateway.expressions.calls import ExternalCall
    from gateway.policy.field_path import FieldPath, MutationTarget

CALLER_TYPE = "baremetal_gateway.v1.Caller"


class PolicyInput(NamedTuple):
    """The input of policies.

    Attributes:
        method: full name.
        request: the message; it is never changed, mutations are made on copies.
        caller: who calls.
        now: the time that rules see, with its zone.
    """

    method: str
    request: Message
    caller: Caller
    now: datetime

    def __repr__(self) -> str:
        """Leave out the request, which may hold a signature."""
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
        """Every name that its expressions refer to."""
        return _reads(self.assertion, self.message, self.fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledMutation:
    """A compiled mutation.

    Attributes:
        name: `set[<index>]`, in the place of a rule's name.
    """

    name: str
    target: MutationTarget
    value: Expression
    when: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledWaiver:
    """A compiled waiver.

    Attributes:
        expires: the time from which it has no effect.
    """

    name: str
    rules: frozenset[str]
    when: Expression | None
    owner: str
    ticket: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBinding:
    """A policy that a binding applies to one method, compiled.

    Attributes:
        variables: the variables in the order in which they are written.
        checks: expressions that are all true exactly when every rule is met and none fails.
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
        """Every name that its expressions refer to."""
        return _reads(*self._expressions(), *(expression for _, expression in self.variables))

    @property
    def steps(self) -> int:
        """The cost in steps of a call that breaks every rule; see cost_estimator.py."""
        return sum(one.steps for one in self._expressions() if one is not None)

    @property
    def calls_of_every_request(self) -> Iterator[ExternalCall]:
        """Yield the calls in its condition and its checks; those in messages are seldom needed."""
        if self.when is not None:
            yield from self.when.executable.calls
        for check in self.checks:
            yield from check.calls

    @property
    def executables(self) -> Iterator[Executable]:
        """Yield everything that is evaluated for a call."""
        yield from (one.executable for one in self._expressions() if one is not None)
        yield from self.checks

    def _expressions(self) -> Iterator[Expression | None]:
        """Yield every expression that a call may need; variables are part of those that read them."""
        yield self.when
        for rule in self.rules:
            yield from (rule.assertion, rule.message, rule.fix)
        for mutation in self.mutations:
            yield from (mutation.value, mutation.when)
        for waiver in self.waivers:
            yield waiver.when


class Program:
    """The bindings of one method, in the order of the files.

    All their expressions are evaluated in one activation: the engine converts
    the request once for all of them.
    """

    def __init__(
        self,
        bindings: tuple[CompiledBinding, ...],
        caller_class: type[Message],
        find_oversized: Callable[[Message], list[FieldViolation]] | None = None,
    ) -> None:
        """Prepare.

        Args:
            bindings: the bindings of the method.
            caller_class: class of CALLER_TYPE.
            find_oversized: finds what is too large in a request; None where nothing can be.
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
        # Computed first, so that the engine converts the request only once.
        self._calls: tuple[ExternalCall, ...] = tuple(
            dict.fromkeys(call for binding in bindings for call in binding.calls_of_every_request)
        )

    def activate(self, policy_input: PolicyInput, further: Mapping[str, Any] | None = None) -> Activation:
        """Return the activation for the expressions of every binding.

        Args:
            policy_input: the request with its context.
            further: additional values, by their full names.
        """
        method, request, caller, now = policy_input
        values = {**self._parameters, "request": request, "method": method, "now": now, **(further or {})}
        if self._reads_caller:
            values["caller"] = self._to_message(caller)
        activation = self._environment.activate(values)
        activation.compute(self._calls)
        return activation

    def warm_up(self, policy_input: PolicyInput) -> None:
        """Evaluate every expression once: the engine prepares an expression when it is first evaluated."""
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


def _reads(*expressions: Expression | None) -> frozenset[str]:
    return frozenset[str]().union(*(one.reads for one in expressions if one is not None))
