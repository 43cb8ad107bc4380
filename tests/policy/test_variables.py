"""Variables that have an expression for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.policy import Decider, Decision, PolicyInput
from gateway.policy.model import Policy
from gateway.policy.variables import VariableText, patterns_in, variables_for
from tests.policy.conftest import Load, Refuse
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.schema import Schema

V2 = "yandex.cloud.baremetal.v2.BootImageService/CreateBootImage"
BOTH = [CREATE, V2]
IMAGE = {CREATE: "request", "yandex.cloud.baremetal.v2.*": "request.boot_image"}
LABELS = {CREATE: "request.labels", V2: "request.boot_image.annotations"}


def decide_both(load: Load, schema: Schema, *documents: str, **fields: Any) -> list[Decision]:
    """Decide on the same image for v1alpha and v2."""
    decider = Decider(load(*documents))
    labels = fields.pop("labels", {})
    old: Any = schema.known[CREATE].request(**fields, labels=labels)
    new: Any = schema.known[V2].request(boot_image=fields | {"annotations": labels})
    inputs = [PolicyInput(name, one, UNKNOWN_CALLER, NOW) for name, one in ((CREATE, old), (V2, new))]
    return [decider.decide(one) for one in inputs]


def shown(decision: Decision) -> list[tuple[str, str, str]]:
    return [(one.reason, one.field, one.description) for one in decision.violations]


def test_one_rule_holds_for_both_versions(load: Load, schema: Schema) -> None:
    rule = {"field": "image.name", "assert": "image.name == 'x'", "message": "'is ' + image.name"}
    documents = policy_text(rule, methods=BOTH, variables={"image": IMAGE}), binding_text()
    old, new = decide_both(load, schema, *documents, name="y")
    assert shown(old) == [("p/r0", "name", 'is y; name is "y"')]
    assert shown(new) == [("p/r0", "boot_image.name", 'is y; boot_image.name is "y"')]
    assert all(one.is_allowed for one in decide_both(load, schema, *documents, name="x"))


def test_variables_use_those_above_them(load: Load, schema: Schema) -> None:
    variables = {"image": IMAGE, "text": "image.name + image.uri", "labels": LABELS}
    rules = {"assert": "text == 'ab'"}, {"field": 'labels["e"]', "assert": "!('e' in labels)"}
    documents = policy_text(*rules, methods=BOTH, variables=variables), binding_text()
    old, new = decide_both(load, schema, *documents, name="b", uri="a", labels={"e": "f"})
    assert [one.field for one in old.violations] == ["", 'labels["e"]']
    assert [one.field for one in new.violations] == ["", 'boot_image.annotations["e"]']
    assert all(one.is_allowed for one in decide_both(load, schema, *documents, name="a", uri="b"))


def test_mutations_set_fields_through_variables(load: Load, schema: Schema) -> None:
    setting = {"field": 'labels["by"]', "value": "'gateway'", "when": "!('by' in labels)"}
    documents = policy_text(methods=BOTH, variables={"labels": LABELS}, set=[setting]), binding_text()
    old, new = decide_both(load, schema, *documents)
    assert [one.field for one in old.mutations] == ['labels["by"]']
    assert [one.field for one in new.mutations] == ['boot_image.annotations["by"]']
    request: Any = new.request
    assert dict(request.boot_image.annotations) == {"by": "gateway"}


def test_conditions_of_bindings_read_variables(load: Load, schema: Schema) -> None:
    policy = policy_text("false", methods=BOTH, variables={"image": IMAGE})
    for name, is_allowed in (("x", False), ("y", True)):
        decisions = decide_both(load, schema, policy, binding_text(when="image.name == 'x'"), name=name)
        assert [one.is_allowed for one in decisions] == [is_allowed, is_allowed]


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no value for a method": (
        {"variables": {"v": {CREATE: "request.name"}}},
        [f"spec.variables.v: the variable has no value (for {V2})"],
    ),
    "two values for a method": (
        {"variables": {"v": {CREATE: "'a'", V2: "'b'", "*.v2.*": "'c'"}}},
        [f"spec.variables.v.{V2}: '*.v2.*' matches the method too; only one pattern may match (for {V2})"],
    ),
    "a pattern for no method": (
        {"variables": {"v": {CREATE: "'a'", V2: "'b'", f"{SERVICE}/Creat": "'c'"}}},
        [
            (
                f"spec.variables.v.{SERVICE}/Creat: '{SERVICE}/Creat' is no method of the policy; "
                f"did you mean {CREATE}?"
            )
        ],
    ),
    "a field of the other version": (
        {"variables": {"v": {CREATE: "request.nam", V2: "request.boot_image.name"}}},
        [
            (
                f"spec.variables.v.{CREATE}: undefined field 'nam' not found in struct "
                f"'yandex.cloud.baremetal.v1alpha.CreateImageRequest'; did you mean name? (for {CREATE})"
            )
        ],
    ),
    "no expression": (
        {"variables": {"v": {CREATE: 1}}},
        [f"spec.variables.v.{CREATE}: 1: an expression is text: put it in quotes, as '1'"],
    ),
    "no methods": ({"variables": {"v": {}}}, ["spec.variables.v: dictionary should have at least 1 item"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_variables(refuse: Refuse, name: str) -> None:
    spec, expected = REFUSED[name]
    faults = refuse(policy_text("v != 'x'", methods=BOTH, **spec), binding_text())
    found = [fault.partition(": ")[2] for fault in faults]
    assert [one.partition(" after validation")[0] for one in found] == expected


def test_a_type_may_differ_where_it_fits(refuse: Refuse) -> None:
    variables = {"v": {CREATE: "request.name", V2: "request.boot_image"}}
    (fault,) = refuse(policy_text("v == 'x'", methods=BOTH, variables=variables), binding_text())
    assert "found no matching overload" in fault
    assert V2 in fault


def test_a_field_that_two_meanings_have_is_refused(refuse: Refuse) -> None:
    rule = {"assert": "request.name != ''", "field": "name"}
    (fault,) = refuse(policy_text(rule, variables={"name": "request.uri"}), binding_text())
    assert "name is a field, and a variable that stands for uri; rename the variable" in fault


@pytest.mark.parametrize(
    ("expression", "is_field"),
    [
        ("request.labels", True),
        ("has(request.labels) ? request.labels : {}", False),
        ("{'env': request.name}", False),
    ],
)
def test_only_the_plain_name_of_a_field_is_a_field(
    load: Load, refuse: Refuse, expression: str, *, is_field: bool
) -> None:
    documents = (
        policy_text({"assert": "'env' in v", "field": 'v["env"]'}, variables={"v": expression}),
        binding_text(),
    )
    if is_field:
        (rule,) = load(*documents).programs[CREATE].bindings[0].rules
        assert rule.field.text == 'labels["env"]'
    else:
        assert "there is no field 'v'" in refuse(*documents)[0]


def test_the_texts_and_paths_of_variables() -> None:
    document = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Policy",
        "metadata": {"name": "p"},
        "spec": {
            "methods": BOTH,
            "variables": {"a": "1", "b": {"*v1alpha*": "2", "*": "3"}},
            "rules": [{"name": "r", "assert": "a == b"}],
        },
    }
    spec = Policy.model_validate(document).spec
    a = VariableText("a", "1", ("spec", "variables", "a"))
    path = ("spec", "variables", "b")
    assert list(variables_for(spec, CREATE)) == [a, VariableText("b", "2", (*path, "*v1alpha*"), ("*",))]
    assert list(variables_for(spec, V2)) == [a, VariableText("b", "3", (*path, "*"))]
    assert list(patterns_in(spec)) == [((*path, "*v1alpha*"), "*v1alpha*"), ((*path, "*"), "*")]
