"""Functions that are defined in CEL for loops: a call has the same value in a loop and outside of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from gateway.expressions.functions import FUNCTIONS
from tests.policy.making import binding_text, policy_text

if TYPE_CHECKING:
    from tests.policy.conftest import Decide, Refuse

Outcome: TypeAlias = Literal["true", "false", "error"]

# A condition about `x` → the value of `x` → what comes out.
NETWORKS = "'10.1.2.3'.inCidr(x)"
OUTCOMES: list[tuple[str, str, Outcome]] = [
    (NETWORKS, "['10.0.0.0/8']", "true"),
    (NETWORKS, "['192.0.2.0/24', '10.0.0.0/8', '10.1.0.0/16']", "true"),
    (NETWORKS, "['192.0.2.0/24', '2001:db8::/32']", "false"),
    (NETWORKS, "['10.0.0.0/8', 'bad']", "error"),
    (NETWORKS, "['bad', '10.0.0.0/8']", "error"),
    (NETWORKS, "['192.0.2.0/24', 'bad']", "error"),
    (NETWORKS, "['bad']", "error"),
    (NETWORKS, "['10.0.0.1/8']", "error"),
    (NETWORKS, "['', '10.0.0.0/8']", "error"),
    (NETWORKS, "['10.0.0.0/8'].filter(n, n == '')", "false"),
    ("'bad'.inCidr(x)", "['10.0.0.0/8']", "error"),
    ("'bad'.inCidr(x)", "['10.0.0.0/8'].filter(n, n == '')", "error"),
    ("{'a': '1', 'b': ''}.missing(x) == ['c', 'b', 'c']", "['c', 'a', 'b', 'c']", "true"),
    ("{'a': '1', 'b': ''}.missing(x) == []", "['a'].filter(k, k == '')", "true"),
    ("{'a': request.labels['z']}.missing(x) == []", "['a'].filter(k, k == '')", "error"),
    ("x.missing(['a']) == ['a']", "{'b': 'c'}", "true"),
    ("x.missing([request.labels['z']]) == []", "{'b': 'c'}", "error"),
    ("x.unknown(['b']) == ['a', 'c']", "{'c': '', 'b': '', 'a': ''}", "true"),
    ("{'c': '', 'b': '', 'a': ''}.unknown(x) == ['a', 'c']", "['b', 'b', 'z']", "true"),
]  # fmt: skip


def outcome_of(evaluate: Decide, rule: str) -> Outcome:
    violations = evaluate(rule).violations
    if not violations:
        return "true"
    return "error" if violations[0].is_error else "false"


@pytest.mark.parametrize(("condition", "value", "outcome"), OUTCOMES)
def test_a_call_has_one_value(evaluate: Decide, condition: str, value: str, outcome: Outcome) -> None:
    assert outcome_of(evaluate, condition.replace("(x)", f"({value})").replace("x.", f"{value}.")) == outcome
    for loop in ("[{}].all(x, {})", "[{}].exists_one(x, {})"):
        assert outcome_of(evaluate, loop.format(value, condition)) == outcome, loop


def test_each_form_that_takes_other_values_than_texts_is_defined() -> None:
    overloads = [overload for function in FUNCTIONS for overload in function.overloads]
    assert [one.id for one in overloads if bool(one.others) is not bool(one.definition)] == []


@pytest.mark.parametrize(
    "rule",
    [
        "[dyn(['10.0.0.0/8'])].all(x, '10.1.2.3'.inCidr(x))",
        "[[dyn('a')]].all(x, {'a': 'b'}.missing(x) == [])",
        "[{'a': dyn(1)}].all(x, x.unknown(['a']) == [])",
    ],
)
def test_a_loop_over_values_of_unknown_type_is_refused(refuse: Refuse, rule: str) -> None:
    (fault,) = refuse(policy_text(rule), binding_text())
    assert "whose type is only known at evaluation" in fault
