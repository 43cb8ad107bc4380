"""Explains a decision: the results of all rules and mutations, and the value of each sub-expression."""

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
    """A sub-expression and its value, or the reason why the sub-expression has no value.

    If an expression contains the same sub-expression twice, the sub-expression is listed only once.

    Attributes:
        depth: the nesting depth of the sub-expression in the expression.
        text: the text of the sub-expression.
        value: the value as JSON, or `error: …` if the evaluation of the sub-expression fails. If the
            evaluation fails but the enclosing expression still has a value, as in `false && …`, the text is
            `not needed (error: …)`.
    """

    depth: int
    text: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """The result of a rule.

    Attributes:
        name: the name of the rule.
        outcome: the text `met`, `broken`, `waived` or `error`; `not evaluated` if the binding does not apply.
        parts: the sub-expressions of the assertion with their values. An expression is before its
            sub-expressions.
        description: the description of the violation for the caller; empty if there is no violation.
        waivers: a mapping from the name of each waiver of the rule to the reason why the waiver applies or
            does not apply.
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
        name: the name of the mutation.
        field: the path of the field that the mutation sets.
        outcome: the text `set`, `left as it was` or `error`; `would be set` if the action of the binding is
            `audit`.
        description: the values before and after the mutation, or the reason why the mutation failed; empty if
            the field was left as it was.
    """

    name: str
    field: str
    outcome: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTrace:
    """The result of a binding.

    Attributes:
        name: the name of the binding.
        policy: the name of the policy that the binding uses.
        action: the action of the binding: `deny`, `warn` or `audit`.
        applies: whether the binding applies to the request.
        when: the sub-expressions of the binding's condition with their values; empty if the binding has no
            condition.
        variables: the variables of the policy with their values.
        mutations: the results of the mutations of the policy.
        rules: the results of the rules of the policy.
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
        decision: the decision.
        refused: the reasons why the API does not accept values that policies set. In service, the gateway
            responds with status 400 if there is at least one reason.
        bindings: the results of all bindings for the method of the request.
    """

    decision: Decision
    refused: tuple[str, ...]
    bindings: tuple[BindingTrace, ...]


def explain(decider: Decider, policy_input: PolicyInput, schema: Schema) -> Explanation:
    """Make the decision for a request, and return the decision with the results of all bindings.

    Args:
        decider: the decider that evaluates the bundle.
        policy_input: the input of the policies, which includes the request.
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
            inner = [node.comprehension_expr.iter_range]  # the other sub-expressions read the loop variable
        else:
            inner = list(children_of(node))
        for one in inner:
            if self._is_informative(one):
                yield from self._walk(expression, one, part, seen)

    def _is_informative(self, node: Node) -> bool:
        """Return whether the explanation should list the value of a sub-expression.

        A constant is not listed, because its text already shows its value. A single name is listed only if
        the name is a parameter. Variables are listed in another part of the explanation, and the user already
        has the values of `request`, `method`, `now` and `caller`.
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
    """Convert a value of the CEL engine to JSON values. The keys of objects are sorted."""
    if isinstance(value, Message):
        return _message_to_json(value, pool)
    if isinstance(value, list):
        return [to_json_value(one, pool) for one in value]
    if isinstance(value, dict):
        by_text = {str(key): one for key, one in value.items()}
        return {key: to_json_value(by_text[key], pool) for key in sorted(by_text)}
    if isinstance(value, datetime):
        return show_time(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}".rstrip("0").rstrip(".") + "s"
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _message_to_json(message: Message, pool: DescriptorPool) -> Any:
    try:
        tree = MessageToDict(message, descriptor_pool=pool, preserving_proto_field_name=True)
        return to_json_value(tree, pool)  # sorts the keys of maps, whose order differs between processes
    except (SerializeToJsonError, TypeError, DecodeError):  # not every protobuf message has a JSON form
        return f"a {message.DESCRIPTOR.full_name} that JSON has no form for"
