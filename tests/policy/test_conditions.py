"""Conditions of bindings, and the violations of what cannot be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.policy import PolicyInput
from gateway.policy.conditions import fail, read_condition
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from tests.policy.conftest import Load, MakeRequest

CONDITIONS = [
    (None, True, None),
    ("request.name == 'n'", True, None),
    ("request.name != 'n'", False, None),
    ("request.labels['x'] == 'y'", True, 'when cannot be evaluated: NOT_FOUND: Key not found in map : "x"'),
]


@pytest.mark.parametrize(("when", "applies", "message"), CONDITIONS)
def test_a_condition_that_fails_applies_and_is_a_violation(
    load: Load, make_request: MakeRequest, when: str | None, message: str | None, *, applies: bool
) -> None:
    binding = binding_text(action="warn") if when is None else binding_text(action="warn", when=when)
    program = load(policy_text("true"), binding).programs[CREATE]
    activation = program.activate(PolicyInput(CREATE, make_request(name="n"), UNKNOWN_CALLER, NOW))
    found, violation = read_condition(program.bindings[0], activation)
    assert found is applies
    assert (violation and violation.message) == message
    if violation is not None:
        assert (violation.reason, violation.binding, violation.action) == ("p/when", "b", "warn")
        assert (violation.severity, violation.is_error) == ("high", True)


def test_the_message_of_a_failure_is_redacted(load: Load) -> None:
    (binding,) = load(policy_text("true"), binding_text()).programs[CREATE].bindings
    violation = fail(binding, "r", "low", "uri", "bad https://user:pa55@a.example/b?X-Amz-Signature=abc")
    assert "pa55" not in violation.message
    assert (violation.rule, violation.severity, violation.field, violation.value) == ("r", "low", "uri", "")
