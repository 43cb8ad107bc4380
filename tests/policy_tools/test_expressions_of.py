"""Every expression of a bundle, with its position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.faults import key_of
from gateway.policy_tools.expressions_of import expressions_of
from tests.policy.making import SERVICE, binding_text, policy_text
from tests.policy.test_waivers import waiver_text

if TYPE_CHECKING:
    from tests.policy.conftest import Load

RULE = {"assert": "v", "message": "'m'", "fix": "'f'"}


def test_lists_every_expression_with_its_key(load: Load) -> None:
    mutation = {"field": "name", "value": "'n'", "when": "request.name == ''"}
    bundle = load(
        policy_text(RULE, variables={"v": "request.uri == ''"}, set=[mutation]),
        binding_text(when="method != ''"),
        waiver_text(when="now > timestamp('2026-01-01T00:00:00Z')"),
    )
    found = {(key_of(one.path), one.expression.text) for one in expressions_of(bundle)}
    assert found == {
        ("spec.when", "method != ''"),
        ("spec.when", "now > timestamp('2026-01-01T00:00:00Z')"),
        ("spec.variables.v", "request.uri == ''"),
        ("spec.rules[0].assert", "v"),
        ("spec.rules[0].message", "'m'"),
        ("spec.rules[0].fix", "'f'"),
        ("spec.set[0].value", "'n'"),
        ("spec.set[0].when", "request.name == ''"),
    }


def test_lists_an_expression_for_each_binding_and_method(load: Load) -> None:
    methods = [f"{SERVICE}/Create", f"{SERVICE}/Update"]
    bundle = load(policy_text("true", methods=methods), binding_text("a"), binding_text("b"))
    assert [one.expression.text for one in expressions_of(bundle)] == ["true"] * 4


def test_what_is_left_out_is_not_listed(load: Load) -> None:
    (only,) = expressions_of(load(policy_text("true"), binding_text()))
    assert (only.path, only.document.value["kind"]) == (("spec", "rules", 0, "assert"), "Policy")
