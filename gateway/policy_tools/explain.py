"""Explains a decision: each rule, its parts, and their values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.message import DecodeError, Message

from gateway.expressions import EvaluationError
from gateway.expressions.syntax import children_of, localize, to_text
from gateway.policy.conditions import read_condition
from gateway.policy_tools.validity import find_refused_mutations
from gateway.redaction import REDACTED, redact_value
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor_pool import DescriptorPool

    from gateway.expressions import Activation, Expression
    from gateway.expressions.syntax import Node
    from gateway.policy.decider import Decider
    from gateway.policy.decision import Decision
    from gateway.policy.program import (
        CompiledBinding,
        CompiledMutation,
        CompiledRule,
        CompiledWaiver,
        PolicyInput,
    )
    from gateway.schema import Schema

_MAX_SHOWN = 200
_ERROR = "error: "
LEFT = "left as it was"


@dataclass(frozen=True, slots=True)
class PartTrace:
    """A sub-expression with its value, or with the reason why there is no value.

    A sub-expression that occurs twice in an expression is listed once, because both have the same value.

    Attributes:
        depth: the nesting depth of the sub-expression in the expression.
        text: the text of the sub-expression.
        value: the value as JSON, or `error: …` if the sub-expression has no value. The text is
            `not needed (error: …)` if the enclosing expression has a value anyway, as in `false && …`.
    """

    depth: int
    text: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """The result of a rule.

    Attributes:
        outcome: the text `met`, `broken`, `waived` or `error`; `not evaluated` if the binding does not apply.
        parts: the parts of the assertion with their values. Each part is before the parts inside it.
        description: the description of the violation, as the caller receives it; empty without a violation.
        waivers: the name of each waiver of the rule → the reason why the waiver applies or does not apply.
    """

    name: str
    outcome: str
    parts: tuple[PartTrace, ...]
    description: str
    waivers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationTrace:
    """The result of a mutation.

    Attributes:
        outcome: the text `set`, `left as it was` or `error`; `would be set` for an auditing binding.
        description: the values before and after the mutation, or the reason why the mutation failed.
    """

    name: str
    field: str
    outcome: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTrace:
    """The result of a binding.

    Attributes:
        applies: whether the binding applies to the request.
        when: the parts of the binding's condition; empty if the binding has no condition.
        variables: the variables of the binding's policy, with their values.
        mutations: the results of the policy's mutations.
        rules: the results of the policy's rules.
    """

    name: str
    policy: str
    action: str
    applies: bool
    when: tuple[PartTrace, ...]
    variables: tuple[PartTrace, ...]
    mutations: tuple[MutationTrace, ...]
    rules: tuple[RuleTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with the results of all bindings.

    Attributes:
        refused: the reasons why the API rejects values that policies set. If there are any reasons, the
            gateway responds with status 400.
    """

    decision: Decision
    refused: tuple[str, ...]
    bindings: tuple[BindingTrace, ...]


def explain(decider: Decider, policy_input: PolicyInput, schema: Schema) -> Explanation:
    """Decide on a request, and return the decision with the results of all bindings.

    Args:
        decider: the decider with the bundle.
        policy_input: the input of the policies.
        schema: the schema with the message types and the constraints of the API.
    """
    decision = decider.decide(policy_input)
    program = decider.bundle.programs.get(policy_input.method)
    policy_input = policy_input._replace(request=decision.request)
    traces = []
    if program is not None:
        for binding in program.bindings:
            within = program.activate(policy_input, _variables(binding, program.activate(policy_input)))
            traces.append(_Tracer(binding, within, policy_input, decision, schema.pool).trace())
    refused = tuple(find_refused_mutations(Validator(schema), decision))
    return Explanation(decision=decision, refused=refused, bindings=tuple(traces))


def _variables(binding: CompiledBinding, activation: Activation) -> dict[str, Any]:
    values = {}
    for name, expression in binding.variables:
        try:
            values[binding.environment.full_name(name)] = expression.evaluate(activation)
        except EvaluationError:
            continue
    return values


class _Tracer:
    """Builds the trace of one binding."""

    def __init__(
        self,
        binding: CompiledBinding,
        activation: Activation,
        policy_input: PolicyInput,
        decision: Decision,
        pool: DescriptorPool,
    ) -> None:
        self._binding = binding
        self._activation = activation
        self._input = policy_input
        self._decision = decision
        self._pool = pool

    def trace(self) -> BindingTrace:
        binding = self._binding
        applies = self._applies()
        return BindingTrace(
            name=binding.name,
            policy=binding.policy,
            action=binding.action,
            applies=applies,
            when=tuple(self._parts(binding.when)) if binding.when else (),
            variables=tuple(
                PartTrace(
                    0, f"{name} = {one.text.strip()}", self._value(partial(one.evaluate, self._activation))
                )
                for name, one in binding.variables
            ),
            mutations=tuple(map(self._mutation, binding.mutations)),
            rules=tuple(self._rule(rule, applies=applies) for rule in binding.rules),
        )

    def _applies(self) -> bool:
        applies, _ = read_condition(self._binding, self._activation)
        return applies or self._binding.name in self._decision.mutated_request.applied

    def _rule(self, rule: CompiledRule, *, applies: bool) -> RuleTrace:
        found = [
            one
            for one in (*self._decision.violations, *self._decision.waived)
            if one.binding == self._binding.name and one.rule == rule.name
        ]
        outcome = "met" if applies else "not evaluated"
        if found:
            outcome = "error" if found[0].is_error else "waived" if found[0].waiver else "broken"
        return RuleTrace(
            name=rule.name,
            outcome=outcome,
            parts=tuple(self._parts(rule.assertion)),
            description=found[0].description if found else "",
            waivers={one.name: self._waiver(one) for one in self._binding.waivers if rule.name in one.rules},
        )

    def _mutation(self, compiled: CompiledMutation) -> MutationTrace:
        outcome, description = LEFT, ""
        key = (self._binding.name, compiled.name)
        for mutation in self._decision.mutations:
            if (mutation.binding, mutation.name) == key:
                outcome = "set" if mutation.is_made else "would be set"
                description = f"{mutation.before} → {mutation.after}"
        for error in self._decision.violations:
            if (error.binding, error.rule) == key:
                outcome, description = "error", error.message
        return MutationTrace(
            name=compiled.name, field=compiled.target.path.text, outcome=outcome, description=description
        )

    def _waiver(self, waiver: CompiledWaiver) -> str:
        until = show_time(waiver.expires)
        if self._input.now >= waiver.expires:
            return f"expired at {until}; ask {waiver.owner} ({waiver.ticket})"
        try:
            if waiver.when is None or waiver.when.is_true(self._activation):
                return f"applies; {waiver.owner} ({waiver.ticket}), until {until}"
        except EvaluationError as error:
            return f"does not apply: its when cannot be evaluated: {error}"
        return "does not apply: its when is false"

    def _parts(self, expression: Expression) -> Iterator[PartTrace]:
        seen: set[str] = set()
        yield from self._walk(expression, expression.checked.expr, PartTrace(-1, "", _ERROR), seen)

    def _walk(
        self, expression: Expression, node: Node, outer: PartTrace, seen: set[str]
    ) -> Iterator[PartTrace]:
        text = to_text(localize(node, self._binding.environment.container))
        if text in seen:
            return
        seen.add(text)
        executable = self._binding.environment.part(expression, node)
        value = self._value(partial(executable.evaluate, self._activation))
        if value.startswith(_ERROR) and not outer.value.startswith(_ERROR):
            value = f"not needed ({value})"
        part = PartTrace(outer.depth + 1, text, value)
        yield part
        if node.WhichOneof("expr_kind") == "comprehension_expr":
            inner = [node.comprehension_expr.iter_range]  # the other parts read the variable of the loop
        else:
            inner = list(children_of(node))
        for one in inner:
            if self._is_informative(one):
                yield from self._walk(expression, one, part, seen)

    def _is_informative(self, node: Node) -> bool:
        """Return whether the value of a part is informative.

        The value of a constant is not informative, because the text of a constant shows the value. The
        value of a single name is informative only for a parameter: the explanation lists variables
        separately, and the user already has the values of `request`, `method` and `now`.
        """
        match node.WhichOneof("expr_kind"):
            case "const_expr":
                return False
            case "ident_expr":
                return str(node.ident_expr.name).startswith(f"{self._binding.environment.container}.params.")
        return True

    def _value(self, find: Callable[[], Any]) -> str:
        try:
            return _show(find(), self._pool)
        except EvaluationError as error:
            return f"{_ERROR}{error}"


def show_time(time: datetime) -> str:
    """Return a time in ISO 8601 format. UTC is written as `Z`."""
    return time.isoformat().replace("+00:00", "Z")


def _show(value: Any, pool: DescriptorPool) -> str:
    text = json.dumps(redact_value(to_json_value(value, pool)), ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + REDACTED


def to_json_value(value: Any, pool: DescriptorPool) -> Any:
    """Return a value of the CEL engine as JSON values."""
    if isinstance(value, Message):
        return _message_to_json(value, pool)
    if isinstance(value, list):
        return [to_json_value(one, pool) for one in value]
    if isinstance(value, dict):
        return {str(key): to_json_value(one, pool) for key, one in value.items()}
    if isinstance(value, datetime):
        return show_time(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}".rstrip("0").rstrip(".") + "s"
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _message_to_json(message: Message, pool: DescriptorPool) -> Any:
    try:
        return MessageToDict(message, descriptor_pool=pool, preserving_proto_field_name=True)
    except (SerializeToJsonError, TypeError, DecodeError):  # not every protobuf message has a JSON form
        return f"a {message.DESCRIPTOR.full_name} that JSON has no form for"
