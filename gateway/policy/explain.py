"""Why a request is decided as it is: each rule, its parts, and their values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from gateway.masking import HIDDEN, mask, mask_signatures
from gateway.policy.expression import EvaluationError, evaluate
from gateway.policy.syntax import children_of, localize, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cel_expr_python import cel
    from google.protobuf.descriptor_pool import DescriptorPool

    from gateway.policy.decider import Decider
    from gateway.policy.decision import Decision
    from gateway.policy.expression import Expression
    from gateway.policy.program import CompiledBinding, CompiledRule, CompiledWaiver, PolicyInput
    from gateway.policy.syntax import Node

_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-expression with its value, or why it has none.

    Attributes:
        depth: how far within the expression it stands.
    """

    depth: int
    text: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """How a rule came out.

    Attributes:
        outcome: `met`, `broken`, `waived`, `error`, or `not judged` when its binding does not apply.
        parts: of the assertion, the outer before the inner.
        told: what the caller is told of a broken rule.
        waivers: of the rule: name → why it is used or not.
    """

    name: str
    outcome: str
    parts: tuple[Part, ...]
    told: str
    waivers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTrace:
    """How a binding came out.

    Attributes:
        when: parts of its condition; empty without one.
        variables: of its policy, each with its value.
    """

    name: str
    policy: str
    action: str
    applies: bool
    when: tuple[Part, ...]
    variables: tuple[Part, ...]
    rules: tuple[RuleTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with all that led to it."""

    decision: Decision
    bindings: tuple[BindingTrace, ...]


def explain(decider: Decider, asked: PolicyInput, pool: DescriptorPool) -> Explanation:
    """Decide, and tell how each binding of the method came out.

    Args:
        decider: with the bundle.
        asked: what is judged.
        pool: with the types that messages may carry.
    """
    decision = decider.decide(asked)
    program = decider.bundle.programs.get(asked.method)
    judged = asked._replace(request=decision.request)
    traces = []
    for binding in program.bindings if program else ():
        activation = program.activate(judged) if program else None
        further = _variables(binding, activation)
        within = program.activate(judged, further) if program else None
        traces.append(_Tracer(binding, within, judged, decision, pool).trace())
    return Explanation(decision=decision, bindings=tuple(traces))


def _variables(binding: CompiledBinding, activation: cel.Activation) -> dict[str, Any]:
    values = {}
    for name, expression in binding.variables:
        try:
            values[binding.environment.full_name(name)] = expression.evaluate(activation)
        except EvaluationError:
            continue
    return values


class _Tracer:
    """Tells how one binding came out."""

    def __init__(
        self,
        binding: CompiledBinding,
        activation: cel.Activation,
        judged: PolicyInput,
        decision: Decision,
        pool: DescriptorPool,
    ) -> None:
        self._binding = binding
        self._activation = activation
        self._judged = judged
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
                Part(0, name, self._value(lambda one=expression: one.evaluate(self._activation)))
                for name, expression in binding.variables
            ),
            rules=tuple(self._rule(rule, applies=applies) for rule in binding.rules),
        )

    def _applies(self) -> bool:
        try:
            return self._binding.when is None or self._binding.when.is_true(self._activation)
        except EvaluationError:  # in doubt, it does
            return True

    def _rule(self, rule: CompiledRule, *, applies: bool) -> RuleTrace:
        found = [
            one
            for one in (*self._decision.violations, *self._decision.waived)
            if one.binding == self._binding.name and one.rule == rule.name
        ]
        outcome = "met" if applies else "not judged"
        if found:
            outcome = "error" if found[0].is_error else "waived" if found[0].waiver else "broken"
        return RuleTrace(
            name=rule.name,
            outcome=outcome,
            parts=tuple(self._parts(rule.assertion)),
            told=found[0].description if found else "",
            waivers={one.name: self._waiver(one) for one in self._binding.waivers if rule.name in one.rules},
        )

    def _waiver(self, waiver: CompiledWaiver) -> str:
        if self._judged.now >= waiver.expires:
            return f"expired at {waiver.expires.isoformat()}"
        try:
            if waiver.when is None or waiver.when.is_true(self._activation):
                return f"applies; {waiver.owner}, {waiver.ticket}, until {waiver.expires.isoformat()}"
        except EvaluationError as error:
            return f"its when cannot be evaluated: {error}"
        return "its when is false"

    def _parts(self, expression: Expression) -> Iterator[Part]:
        yield from self._walk(expression, expression.checked.expr, 0)

    def _walk(self, expression: Expression, node: Node, depth: int) -> Iterator[Part]:
        compiled = self._binding.environment.part(expression, node)
        text = to_text(localize(node, self._binding.environment.container))
        yield Part(depth, text, self._value(lambda: evaluate(compiled, self._activation)))
        if node.WhichOneof("expr_kind") == "comprehension_expr":
            inner = [node.comprehension_expr.iter_range]  # what is within reads the loop's own variable
        else:
            inner = list(children_of(node))
        for part in inner:
            if _is_telling(part):
                yield from self._walk(expression, part, depth + 1)

    def _value(self, find: Any) -> str:
        try:
            return _show(find(), self._pool)
        except EvaluationError as error:
            return f"error: {error}"


def _is_telling(node: Node) -> bool:
    """Tell whether a person learns something from a part's value: of constants, nothing."""
    match node.WhichOneof("expr_kind"):
        case "const_expr":
            return False
        case "ident_expr":
            return "." in node.ident_expr.name  # a parameter or a variable
    return True


def _show(value: Any, pool: DescriptorPool) -> str:
    text = mask_signatures(mask(json.dumps(_to_json(value, pool), ensure_ascii=False)))
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + HIDDEN


def _to_json(value: Any, pool: DescriptorPool) -> Any:
    if isinstance(value, Message):
        return MessageToDict(value, descriptor_pool=pool, preserving_proto_field_name=True)
    if isinstance(value, list):
        return [_to_json(one, pool) for one in value]
    if isinstance(value, dict):
        return {str(key): _to_json(one, pool) for key, one in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}s"
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
