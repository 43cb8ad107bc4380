"""A decision is a value: what was decided, by which rules, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import Code, FieldName, FieldViolation, GatewayError, field_text, summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from gateway.policy.program import PolicyInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that a request does not meet, or that could not be evaluated.

    Attributes:
        policy: name of the policy.
        rule: name of the rule in it.
        binding: the binding that applies it.
        action: deny, warn or audit.
        severity: low, medium, high or critical.
        field: path of the field that the rule is about; may be empty.
        value: the value of the field, redacted; empty when it cannot be shown.
        message: what is wrong, redacted.
        fix: how to fix it; may be empty.
        is_error: the rule could not be evaluated, so it counts as not met.
        waiver: name of the waiver that applies to it; empty when none does.
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
        """`<policy>/<rule>`, as responses and tests name it."""
        return f"{self.policy}/{self.rule}"

    @property
    def description(self) -> str:
        """The violation as a text: the fault, its fix, and the value of the field."""
        text = "; ".join(part for part in (self.message, self.fix) if part)
        if not self.value:
            return text
        return field_text(f"{text}; " if text else "", FieldName(self.field), f" is {self.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A field that a policy set.

    Attributes:
        policy: name of the policy.
        name: `set[<index>]` of the mutation in it.
        binding: the binding that applies it.
        field: path of the field.
        before: the value before it, in the form for people.
        after: the value after it.
        is_made: false under an auditing binding, which only reports.
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
        input: what policies can read of the call, with the request as it was before any mutation.
        request: the message with every mutation made; the original object when there is none.
        mutations: the mutations in the order in which they were made.
        errors: one for each mutation, or condition of a binding, that could not be evaluated; each counts as
            a broken rule.
        applied: names of the bindings that applied at some time before the last mutation.
    """

    input: PolicyInput
    request: Message
    mutations: tuple[Mutation, ...] = ()
    errors: tuple[Violation, ...] = ()
    applied: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Leave out the request, which may hold a signature."""
        return f"MutatedRequest(input={self.input!r}, mutations={self.mutations!r})"

    @property
    def mutated_input(self) -> PolicyInput:
        """The rules' input, with the mutated request."""
        return self.input if self.request is self.input.request else self.input._replace(request=self.request)

    def name_policies(self, violations: Sequence[FieldViolation]) -> list[FieldViolation]:
        """Name the policy in the violations of fields that a policy set: the caller cannot fix them."""
        authors = {one.field: one.policy for one in self.mutations if one.is_made}
        return [
            replace(
                one, description=field_text(one.description, f" (the policy {authors[one.field]} set it)")
            )
            if one.field in authors
            else one
            for one in violations
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on one request.

    Attributes:
        id: the ID of this decision in the response, the trace and the log.
        bundle: hash of the bundle that decided.
        mutated_request: the evaluated request, after all mutations.
        is_evaluated: whether any binding is about the method.
        violations: the violations of every binding, in the bundle's order, except waived violations.
        waived: violations that a waiver allowed.
        duration_ns: time of the evaluation.
    """

    id: str
    bundle: str
    mutated_request: MutatedRequest
    is_evaluated: bool
    violations: tuple[Violation, ...]
    waived: tuple[Violation, ...]
    duration_ns: int

    @property
    def input(self) -> PolicyInput:
        """The input of the policies, with the request before any mutation."""
        return self.mutated_request.input

    @property
    def request(self) -> Message:
        """The message that was evaluated, and that is forwarded if the call is allowed."""
        return self.mutated_request.request

    @property
    def mutations(self) -> tuple[Mutation, ...]:
        """In the order in which they were made."""
        return self.mutated_request.mutations

    @property
    def method(self) -> str:
        """Full name of the method."""
        return self.mutated_request.input.method

    @property
    def is_allowed(self) -> bool:
        """Whether the call is allowed: no rule of a denying binding is broken."""
        return "deny" not in [one.action for one in self.violations]

    @property
    def outcome(self) -> str:
        """`allow` or `deny`."""
        return "allow" if self.is_allowed else "deny"

    @property
    def waivers(self) -> tuple[str, ...]:
        """Names of the waivers that were used."""
        return tuple(dict.fromkeys(one.waiver for one in self.waived))

    def by_action(self, action: str) -> tuple[Violation, ...]:
        """Return the violations under bindings of one action."""
        return tuple(one for one in self.violations if one.action == action)

    def warnings(self) -> tuple[str, ...]:
        """Return a text for each broken rule that only warns."""
        if not self.violations:
            return ()
        return tuple(field_text(f"{one.reason}: ", one.description) for one in self.by_action("warn"))

    def to_error(self) -> GatewayError:
        """Return the error for a denied call, with every broken rule."""
        broken = [
            FieldViolation(field=one.field, description=one.description, reason=one.reason)
            for one in self.by_action("deny")
        ]
        return GatewayError(
            Code.PERMISSION_DENIED,
            "POLICY_VIOLATION",
            summarize("denied by policy", broken),
            violations=broken,
            metadata={"decision_id": self.id, "bundle_hash": self.bundle},
            warnings=self.warnings(),
        )
