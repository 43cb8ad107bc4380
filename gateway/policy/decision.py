"""Decisions on requests. A decision contains the result, the broken rules and the mutations."""

from __future__ import annotations

from dataclasses import field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import (
    POLICY_VIOLATION,
    Code,
    FieldName,
    FieldViolation,
    GatewayError,
    field_text,
    summarize,
)
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from gateway.policy.program import PolicyInput


@value_class(frozen=True, slots=True)
class Violation:
    """A rule that a request does not meet, or that could not be evaluated.

    Attributes:
        policy: the name of the policy.
        rule: the name of the rule in the policy.
        binding: the name of the binding that applies the policy.
        action: the action of the binding: deny, warn or audit.
        severity: the severity of the rule: low, medium, high or critical.
        field: the path of the field that the rule is about; may be empty.
        value: the redacted value of the field; empty when the value cannot be shown.
        message: the redacted text that describes the problem.
        fix: the text that describes how to fix the problem; may be empty.
        is_error: whether the rule could not be evaluated; such a rule counts as broken.
        waiver: the name of the waiver that allows the violation; empty if there is no such waiver.
    """

    policy: str
    rule: str
    binding: str
    action: str
    severity: str
    field: str
    value: str
    message: str
    fix: str = ""
    is_error: bool = False
    waiver: str = ""

    @property
    def reason(self) -> str:
        """The name of the rule in responses and tests: `<policy>/<rule>`."""
        return f"{self.policy}/{self.rule}"

    @property
    def description(self) -> str:
        """The text of the violation: the problem, how to fix the problem, and the value of the field."""
        return _describe(self.message, self.fix, self.field, self.value)


@lru_cache(maxsize=256)  # the same rules are broken again and again, and their texts have a maximum length
def _describe(message: str, fix: str, field_path: str, value: str) -> str:
    text = f"{message}; {fix}" if message and fix else message or fix
    if not value:
        return text
    return field_text(f"{text}; " if text else "", FieldName(field_path), f" is {value}")


@lru_cache(maxsize=256)
def _warn(policy: str, rule: str, message: str, fix: str, field_path: str, value: str) -> str:
    return field_text(f"{policy}/{rule}: ", _describe(message, fix, field_path, value))


@value_class(frozen=True, slots=True, kw_only=True)
class Mutation:
    """The change of a field by a policy. If the binding is an auditing binding, the change is not made.

    Attributes:
        policy: the name of the policy.
        name: the name of the mutation in the policy: `set[<index>]`.
        binding: the name of the binding that applies the policy.
        field: the path of the field.
        before: the human-readable text of the value before the mutation.
        after: the human-readable text of the value after the mutation.
        is_made: whether the request was changed. An auditing binding only reports the mutation.
    """

    policy: str
    name: str
    binding: str
    field: str
    before: str
    after: str
    is_made: bool


class MutatedRequest(NamedTuple):
    """A request after all mutations.

    Attributes:
        input: the input of the policies. It contains the request before any mutation.
        request: the request message after all mutations; the original message if no mutation was made.
        mutations: the mutations in the order in which they were made.
        errors: the violations that report failed mutations and failed evaluations of binding conditions.
            Each of these violations counts as a broken rule.
        applied: the names of the bindings that apply. A binding applies if its condition is met by the
            original request, or by the request directly before the mutations of the binding. A binding also
            applies if its condition cannot be evaluated.
    """

    input: PolicyInput
    request: Message
    mutations: tuple[Mutation, ...] = ()
    errors: tuple[Violation, ...] = ()
    applied: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Return a text without the request, because the request may contain a signature."""
        return f"MutatedRequest(input={self.input!r}, mutations={self.mutations!r})"

    @property
    def mutated_input(self) -> PolicyInput:
        """The input of the rules. It contains the mutated request."""
        return self.input if self.request is self.input.request else self.input._replace(request=self.request)

    def name_policies(self, violations: Sequence[FieldViolation]) -> list[FieldViolation]:
        """Return the violations. If a policy set the field of a violation, add the name of the policy.

        The name shows the caller that the policy caused the violation.
        """
        authors = {one.field: one.policy for one in self.mutations if one.is_made}
        return [
            replace(
                one, description=field_text(one.description, f" (the policy {authors[one.field]} set it)")
            )
            if one.field in authors
            else one
            for one in violations
        ]


@value_class(frozen=True, slots=True)
class Decision:
    """The decision on one request.

    Attributes:
        id: the ID of this decision in the response, the trace and the log.
        bundle: the hash of the bundle that was evaluated.
        mutated_request: the evaluated request, after all mutations.
        is_evaluated: whether the bundle has a binding for the method.
        violations: the violations that no waiver allows, in the order of the bundle.
        waived: the violations that a waiver allows.
        duration_ns: the duration of the evaluation in nanoseconds.
        is_allowed: whether the call is allowed: no rule of a denying binding is broken.
        outcome: the result of the decision: `allow` or `deny`.
    """

    id: str
    bundle: str
    mutated_request: MutatedRequest
    is_evaluated: bool
    violations: tuple[Violation, ...]
    waived: tuple[Violation, ...]
    duration_ns: int
    is_allowed: bool = field(init=False)
    outcome: str = field(init=False)

    def __post_init__(self) -> None:
        is_allowed = "deny" not in [one.action for one in self.violations]
        self.is_allowed = is_allowed  # type: ignore[misc] # frozen for others
        self.outcome = "allow" if is_allowed else "deny"  # type: ignore[misc]

    @property
    def input(self) -> PolicyInput:
        """The input of the policies. It contains the request before any mutation."""
        return self.mutated_request.input

    @property
    def request(self) -> Message:
        """The request message that was evaluated. It is forwarded if the call is allowed."""
        return self.mutated_request.request

    @property
    def mutations(self) -> tuple[Mutation, ...]:
        """The mutations in the order in which they were made."""
        return self.mutated_request.mutations

    @property
    def method(self) -> str:
        """The full name of the method."""
        return self.mutated_request.input.method

    @property
    def waivers(self) -> tuple[str, ...]:
        """The names of the waivers that were used."""
        return tuple(dict.fromkeys(one.waiver for one in self.waived))

    def by_action(self, action: str) -> tuple[Violation, ...]:
        """Return the violations of all bindings with a given action."""
        return tuple(one for one in self.violations if one.action == action)

    def warnings(self) -> tuple[str, ...]:
        """Return a text for each broken rule whose binding has the action `warn`."""
        if not self.violations:
            return ()
        return tuple(
            [
                _warn(one.policy, one.rule, one.message, one.fix, one.field, one.value)
                for one in self.violations
                if one.action == "warn"
            ]
        )

    def to_error(self) -> GatewayError:
        """Return the error for a denied call. The error lists every broken rule of a denying binding."""
        broken = [
            FieldViolation(field=one.field, description=one.description, reason=one.reason)
            for one in self.by_action("deny")
        ]
        return GatewayError(
            Code.PERMISSION_DENIED,
            POLICY_VIOLATION,
            summarize("denied by policy", broken),
            violations=broken,
            metadata={"decision_id": self.id, "bundle_hash": self.bundle},
            warnings=self.warnings(),
        )
