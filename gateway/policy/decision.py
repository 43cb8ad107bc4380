"""A decision is a value: what was decided, by which rules, and why."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import Code, FieldViolation, GatewayError, summarize


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that a request does not meet, or that could not be evaluated.

    Attributes:
        policy: name of the policy.
        rule: name of the rule in it.
        binding: the binding that put it in force.
        action: deny, warn or audit.
        field: path of the field that the rule is about; may be empty.
        message: what is wrong and how to mend it, with the field's value; secrets are masked.
        is_error: the rule could not be evaluated, so it counts as not met.
    """

    policy: str
    rule: str
    binding: str
    action: str
    field: str
    message: str
    is_error: bool = False

    @property
    def reason(self) -> str:
        """`<policy>/<rule>`, as answers and tests name it."""
        return f"{self.policy}/{self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What policy says of one request.

    Attributes:
        id: names this decision in the answer, the trace and the log.
        bundle: hash of the bundle that decided.
        method: full name of the method.
        is_judged: whether any binding is about the method.
        violations: of every binding, in the bundle's order.
        duration_ns: how long it took.
    """

    id: str
    bundle: str
    method: str
    is_judged: bool
    violations: tuple[Violation, ...]
    duration_ns: int

    @property
    def is_allowed(self) -> bool:
        """Whether the call may go on: no rule of a denying binding is broken."""
        return not self.by_action("deny")

    def by_action(self, action: str) -> tuple[Violation, ...]:
        """Return the violations under bindings of one action."""
        return tuple(one for one in self.violations if one.action == action)

    def warnings(self) -> tuple[str, ...]:
        """Return a text for each broken rule that only warns."""
        return tuple(f"{one.reason}: {one.message}" for one in self.by_action("warn"))

    def to_error(self) -> GatewayError:
        """Return the answer to a denied call, naming every broken rule."""
        broken = [
            FieldViolation(field=one.field, description=one.message, reason=one.reason)
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
