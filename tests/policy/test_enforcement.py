from __future__ import annotations

import pytest

from gateway.policy import describe_enforcement, find_removals
from tests.policy.conftest import Load
from tests.policy.making import CREATE, SERVICE, binding_text, policy_text

UPDATE = f"{SERVICE}/Update"
SERVED = frozenset({CREATE, UPDATE})

OLD = policy_text("true", "false") + binding_text()
OTHER = policy_text("true", name="q") + binding_text("c", "q")

# The bundle that follows OLD and OTHER → what it removes.
REMOVALS: dict[str, tuple[str, list[str]]] = {
    "nothing": (OLD + OTHER, []),
    "another text": (OLD.replace("'false'", "'true'").replace("spec:", "spec:  "), []),
    "a further one": (OLD + OTHER + policy_text("true", name="r") + binding_text("d", "r"), []),
    "a rule": (policy_text("true") + binding_text() + OTHER, ["rule: rule p/r1"]),
    "a rule that is renamed": (
        policy_text("true", {"assert": "false", "name": "x"}) + binding_text() + OTHER,
        ["rule: rule p/r1"],
    ),
    "a policy": (OLD, ["rule: rule q/r0", "binding: binding c"]),
    "a binding": (
        OLD + policy_text("true", name="q") + binding_text("d", "q"),
        ["binding: binding c"],
    ),
    "an action": (
        OLD + policy_text("true", name="q") + binding_text("c", "q", action="warn"),
        ["binding: action deny of the binding c, which is warn now"],
    ),
    "every denying binding": (
        policy_text("true", "false")
        + binding_text(action="audit")
        + OTHER.replace("policy: q", "policy: q\n  action: warn"),
        [
            "binding: action deny of the binding b, which is audit now",
            "binding: action deny of the binding c, which is warn now",
            f"method: the last denying binding of {CREATE}",
        ],
    ),
    "a method": (
        policy_text("true", "false", methods=[UPDATE]) + binding_text() + OTHER,
        [f"rule: rule p/r0 for {CREATE}", f"rule: rule p/r1 for {CREATE}"],
    ),
    "all methods": (
        (OLD + OTHER).replace(CREATE, UPDATE),
        [
            f"rule: rule p/r0 for {CREATE}",
            f"rule: rule p/r1 for {CREATE}",
            f"rule: rule q/r0 for {CREATE}",
            f"method: the last denying binding of {CREATE}",
        ],
    ),
}


@pytest.mark.parametrize("name", REMOVALS)
def test_what_another_bundle_removes(load: Load, name: str) -> None:
    text, removals = REMOVALS[name]
    if name == "another text":
        text += OTHER
    old, new = (describe_enforcement(load(one)) for one in (OLD + OTHER, text))
    assert [f"{one.kind}: {one.text}" for one in find_removals(old, new, SERVED)] == removals


def test_a_method_that_is_not_served_any_more_is_no_way_past_a_rule(load: Load) -> None:
    old, new = (describe_enforcement(load(one)) for one in (OLD, OLD.replace(CREATE, UPDATE)))
    assert find_removals(old, new, frozenset({UPDATE})) == ()


def test_what_only_warned_never_denied(load: Load) -> None:
    warning = policy_text("true") + binding_text(action="warn")
    old, new = (describe_enforcement(load(one)) for one in (warning, warning.replace("warn", "audit")))
    assert old.denying == frozenset()
    assert find_removals(old, new, SERVED) == ()


def test_a_binding_that_only_sets_fields_denies_nothing(load: Load) -> None:
    setting = {"field": "description", "value": "'d'"}
    assert describe_enforcement(load(policy_text(set=[setting]), binding_text())).denying == frozenset()
