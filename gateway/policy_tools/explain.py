"""Why a request is decided as it is: each rule, its parts, and their values."""

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
        CompiledRule,
        CompiledSetting,
        CompiledWaiver,
        PolicyInput,
    )
    from gateway.schema import Schema

_MAX_SHOWN = 200
_ERROR = "error: "
LEFT = "left as it was"


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-expression with its value, or why it has none.

    Each one is told once: a part that stands in an expression twice has the same value in both places.

    Attributes:
        depth: how far within the expression it stands.
        value: as JSON; `error: …` when there is none, `not needed (error: …)` when the whole has one all the
            same, as `false && …` has.
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
class SettingTrace:
    """How a field that a policy sets came out.

    Attributes:
        outcome: `set`, `would be set` under an auditing binding, `left as it was`, or `error`.
        told: what became of the field, or why it could not be set.
    """

    name: str
    field: str
    outcome: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTrace:
    """How a binding came out.

    Attributes:
        when: parts of its condition; empty without one.
        variables: of its policy, each with its value.
        settings: fields that its policy sets.
    """

    name: str
    policy: str
    action: str
    applies: bool
    when: tuple[Part, ...]
    variables: tuple[Part, ...]
    settings: tuple[SettingTrace, ...]
    rules: tuple[RuleTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with all that led to it.

    Attributes:
        refused: why the API does not take what policies set; in service the call is then answered 400.
    """

    decision: Decision
    refused: tuple[str, ...]
    bindings: tuple[BindingTrace, ...]


def explain(decider: Decider, asked: PolicyInput, schema: Schema) -> Explanation:
    """Decide, and tell how each binding of the method came out.

    Args:
        decider: with the bundle.
        asked: what is judged.
        schema: with the types that messages may carry, and their constraints.
    """
    decision = decider.decide(asked)
    program = decider.bundle.programs.get(asked.method)
    judged = asked._replace(request=decision.request)
    traces = []
    if program is not None:
        for binding in program.bindings:
            within = program.activate(judged, _variables(binding, program.activate(judged)))
            traces.append(_Tracer(binding, within, judged, decision, schema.pool).trace())
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
    """Tells how one binding came out."""

    def __init__(
        self,
        binding: CompiledBinding,
        activation: Activation,
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
                Part(0, f"{name} = {one.text.strip()}", self._value(partial(one.evaluate, self._activation)))
                for name, one in binding.variables
            ),
            settings=tuple(map(self._setting, binding.settings)),
            rules=tuple(self._rule(rule, applies=applies) for rule in binding.rules),
        )

    def _applies(self) -> bool:
        applies, _ = read_condition(self._binding, self._activation)
        return applies or self._binding.name in self._decision.draft.applied

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

    def _setting(self, setting: CompiledSetting) -> SettingTrace:
        outcome, told = LEFT, ""
        key = (self._binding.name, setting.name)
        for mutation in self._decision.mutations:
            if (mutation.binding, mutation.name) == key:
                outcome = "set" if mutation.is_made else "would be set"
                told = f"{mutation.before} → {mutation.after}"
        for error in self._decision.violations:
            if (error.binding, error.rule) == key:
                outcome, told = "error", error.message
        return SettingTrace(name=setting.name, field=setting.target.path.text, outcome=outcome, told=told)

    def _waiver(self, waiver: CompiledWaiver) -> str:
        until = show_time(waiver.expires)
        if self._judged.now >= waiver.expires:
            return f"expired at {until}; ask {waiver.owner} ({waiver.ticket})"
        try:
            if waiver.when is None or waiver.when.is_true(self._activation):
                return f"applies; {waiver.owner} ({waiver.ticket}), until {until}"
        except EvaluationError as error:
            return f"does not apply: its when cannot be evaluated: {error}"
        return "does not apply: its when is false"

    def _parts(self, expression: Expression) -> Iterator[Part]:
        told: set[str] = set()
        yield from self._walk(expression, expression.checked.expr, Part(-1, "", _ERROR), told)

    def _walk(self, expression: Expression, node: Node, outer: Part, told: set[str]) -> Iterator[Part]:
        text = to_text(localize(node, self._binding.environment.container))
        if text in told:
            return
        told.add(text)
        executable = self._binding.environment.part(expression, node)
        value = self._value(partial(executable.evaluate, self._activation))
        if value.startswith(_ERROR) and not outer.value.startswith(_ERROR):
            value = f"not needed ({value})"
        part = Part(outer.depth + 1, text, value)
        yield part
        if node.WhichOneof("expr_kind") == "comprehension_expr":
            inner = [node.comprehension_expr.iter_range]  # what is within reads the loop's own variable
        else:
            inner = list(children_of(node))
        for one in inner:
            if self._is_telling(one):
                yield from self._walk(expression, one, part, told)

    def _is_telling(self, node: Node) -> bool:
        """Tell whether a person learns something from a part's value.

        Of constants, nothing; the values of variables stand at the head of the
        binding, and those of `request`, `method` and `now` with the question.
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
    """Return a time as people write it, UTC as `Z`."""
    return time.isoformat().replace("+00:00", "Z")


def _show(value: Any, pool: DescriptorPool) -> str:
    text = json.dumps(redact_value(to_json_value(value, pool)), ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + REDACTED


def to_json_value(value: Any, pool: DescriptorPool) -> Any:
    """Return a value of the engine as JSON values."""
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
    except (SerializeToJsonError, TypeError, DecodeError):  # not every message has a JSON form
        return f"a {message.DESCRIPTOR.full_name} that JSON has no form for"
