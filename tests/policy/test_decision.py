from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from gateway.errors import Code
from gateway.policy import Decision, MutatedRequest, PolicyInput, Violation
from tests.policy.making import NOW, UNKNOWN_CALLER


def violation(rule: str, action: str = "deny", *, is_error: bool = False) -> Violation:
    return Violation(
        policy="p",
        rule=rule,
        binding="b",
        action=action,
        severity="medium",
        field=rule,
        value="",
        message=f"mend {rule}",
        is_error=is_error,
    )


def decision(*violations: Violation) -> Decision:
    request = Empty()
    return Decision(
        id="1",
        bundle="sha256:0",
        mutated_request=MutatedRequest(PolicyInput("s/M", request, UNKNOWN_CALLER, NOW), request),
        is_evaluated=True,
        violations=violations,
        waived=(),
        duration_ns=1,
    )


def test_only_violations_that_deny_forbid() -> None:
    assert decision().is_allowed
    assert decision(violation("a", "warn"), violation("b", "audit", is_error=True)).is_allowed
    assert not decision(violation("a", "warn"), violation("b")).is_allowed
    assert not decision(violation("a", is_error=True)).is_allowed


def test_warnings_name_their_rules() -> None:
    one = decision(violation("a", "warn"), violation("b"), violation("c", "warn"), violation("d", "audit"))
    assert one.warnings() == ("p/a: mend a", "p/c: mend c")


def test_the_answer_names_every_rule_that_denies_and_no_other() -> None:
    one = decision(
        violation("a"), violation("b", "warn"), violation("c", is_error=True), violation("d", "audit")
    )
    error = one.to_error()
    assert error.code is Code.PERMISSION_DENIED
    assert error.reason == "POLICY_VIOLATION"
    assert [(each.field, each.description, each.reason) for each in error.violations] == [
        ("a", "mend a", "p/a"),
        ("c", "mend c", "p/c"),
    ]
    assert error.metadata == {"decision_id": "1", "bundle_hash": "sha256:0"}
    assert error.warnings == ("p/b: mend b",)
