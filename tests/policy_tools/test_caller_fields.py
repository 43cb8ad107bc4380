"""What a bundle reads of callers that the configured callers do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import Config
from gateway.policy_tools import find_absent_caller_fields
from tests.policy.making import SERVICE, binding_text, policy_text
from tests.policy.test_waivers import waiver_text

if TYPE_CHECKING:
    from tests.policy.conftest import Load

NAMED = "request.name != ''"
ANONYMOUS = Config().callers.fields

# Documents → key and field of each place that is reported.
READS: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "a rule": (
        [policy_text('"admins" in caller.groups'), binding_text()],
        [("spec.rules[0].assert", "groups")],
    ),
    "a message and a fix": (
        [
            policy_text({"assert": NAMED, "message": "'no ' + caller.id", "fix": "caller.kind"}),
            binding_text(),
        ],
        [("spec.rules[0].message", "id"), ("spec.rules[0].fix", "kind")],
    ),
    "a variable, once, and not the rules that read it": (
        [policy_text("admin", f"admin || {NAMED}", variables={"admin": "caller.id == 'a'"}), binding_text()],
        [("spec.variables.admin", "id")],
    ),
    "a caller under another name": (
        [policy_text("who.groups.size() > 0", variables={"who": "caller"}), binding_text()],
        [("spec.rules[0].assert", "groups")],
    ),
    "claims, in a loop and in a test": (
        [policy_text("caller.claims.exists(one, one == 'x') || has(caller.claims.team)"), binding_text()],
        [("spec.rules[0].assert", "claims"), ("spec.rules[0].assert", "claims")],
    ),
    "a condition of a binding": (
        [policy_text(NAMED), binding_text(when="caller.kind == 'jwt'")],
        [("spec.when", "kind")],
    ),
    "a waiver": (
        [policy_text(NAMED), binding_text(), waiver_text(rules=["r0"], when="caller.id == 'ops'")],
        [("spec.when", "id")],
    ),
    "a setting": (
        [
            policy_text(set=[{"field": "description", "value": "caller.id", "when": "caller.id != ''"}]),
            binding_text(),
        ],
        [("spec.set[0].value", "id"), ("spec.set[0].when", "id")],
    ),
    "one place for two methods and two bindings": (
        [
            policy_text("caller.id != ''", methods=[f"{SERVICE}/Create", f"{SERVICE}/Update"]),
            binding_text("b"),
            binding_text("c", action="warn"),
        ],
        [("spec.rules[0].assert", "id")],
    ),
    "the address": ([policy_text("caller.address != ''"), binding_text()], []),
    "fields of the request with such names": (
        [policy_text("request.labels.all(id, id != 'groups')"), binding_text()],
        [],
    ),
}


@pytest.mark.parametrize("name", READS)
def test_reports_each_place(load: Load, name: str) -> None:
    documents, places = READS[name]
    found = find_absent_caller_fields(load(*documents), ANONYMOUS)
    assert [(one.fault.key, one.fault.message.split(":")[0]) for one in found] == [
        (key, f"reads caller.{field}") for key, field in places
    ]
    for finding in found:
        assert finding.level == "warning"
        assert finding.fault.position.source[finding.fault.position.column - 1 :].startswith(
            ("caller", "who")
        )
        assert "callers.type" in finding.fault.message


def test_nothing_is_reported_of_callers_that_have_it(load: Load) -> None:
    bundle = load(policy_text("'admins' in caller.groups && caller.id != ''"), binding_text())
    (found,) = find_absent_caller_fields(bundle, frozenset({"address", "id"}))
    assert found.fault.message.endswith("decide by the request or by caller.address, caller.id")
    assert find_absent_caller_fields(bundle, frozenset({"address", "id", "groups"})) == []
