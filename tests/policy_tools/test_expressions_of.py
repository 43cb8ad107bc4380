"""Every expression of a bundle, with its place."""

from __future__ import annotations

from gateway.policy import BundleFiles, load_bundle
from gateway.policy_tools.expressions_of import expressions_of
from gateway.schema import Schema
from tests.policy.making import binding_text, policy_text
from tests.policy.test_waivers import waiver_text


def test_every_expression_has_its_place(schema: Schema) -> None:
    rule = {"assert": "v == 'a'", "message": "'m'", "fix": "'f'"}
    policy = policy_text(
        rule,
        variables={"v": "request.name"},
        set=[{"field": "description", "value": "'d'", "when": "request.name == 'n'"}],
    )
    text = policy + binding_text(when="true") + waiver_text(rules=["r0"], when="request.name == 'w'")
    found = expressions_of(load_bundle(BundleFiles({"b.yaml": text}), schema))
    places = {".".join(map(str, one.path)): one.expression.text for one in found}
    assert places == {
        "spec.when": "request.name == 'w'",
        "spec.variables.v": "request.name",
        "spec.rules.0.assert": "v == 'a'",
        "spec.rules.0.message": "'m'",
        "spec.rules.0.fix": "'f'",
        "spec.set.0.value": "'d'",
        "spec.set.0.when": "request.name == 'n'",
    }
