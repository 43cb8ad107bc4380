"""Why a violation that a case expects is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.policy import Bundle, Decider, PolicyInput
from gateway.policy_tools.suite_names import SuiteNames
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text

if TYPE_CHECKING:
    from gateway.policy import Decision
    from gateway.schema import Schema
    from tests.policy.conftest import Load


@pytest.fixture
def bundle(load: Load) -> Bundle:
    mutation = {"field": "description", "value": "'d'"}
    return load(
        policy_text("request.name != ''", set=[mutation]),
        policy_text("false", name="warned"),
        policy_text("false", name="elsewhere", methods=[f"{SERVICE}/Update"]),
        policy_text("false", name="prod"),
        binding_text(),
        binding_text("w", "warned", action="warn"),
        binding_text("e", "elsewhere"),
        binding_text("x", "prod", when="request.folder_id == 'prod'"),
        waiver_text(),
    )


@pytest.fixture
def decision(bundle: Bundle, schema: Schema) -> Decision:
    request = schema.known[CREATE].request(name="n")
    return Decider(bundle).decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))


ABSENT = [
    ("violation", "p/r0", "expected, but the rule was met"),
    ("warning", "warned/r0", "expected more often than the rule was broken"),
    ("violation", "warned/r0", "expected, but the rule was broken as warning"),
    ("violation", "elsewhere/r0", f"expected, but no binding of its policy is about {CREATE}"),
    ("violation", "prod/r0", "expected, but no binding of its policy applies to the request: see their when"),
    ("violation", "prod/when", "expected, but it could be evaluated"),
    ("violation", "p/set[0]", "expected, but it could be evaluated"),
    ("violation", "r0", "there is no such rule; a rule is named <policy>/<rule>; did you mean elsewhere/r0?"),
    ("violation", "p/ro", "there is no such rule; did you mean p/r0?"),
    ("violation", "warn/r0", "there is no policy 'warn', so there is no such rule; did you mean warned/r0?"),
]


@pytest.mark.parametrize(("group", "rule", "reason"), ABSENT)
def test_says_why_a_rule_is_not_among_the_broken_ones(
    bundle: Bundle, decision: Decision, group: str, rule: str, reason: str
) -> None:
    assert SuiteNames(bundle).explain_absent(group, rule, decision) == reason


def test_suggests_a_waiver(bundle: Bundle) -> None:
    names = SuiteNames(bundle)
    assert names.explain_waiver("w") == names.explain_waiver("") == ""
    assert names.explain_waiver("ww") == "; there is no waiver 'ww'; did you mean w?"


def test_suggests_a_field(bundle: Bundle, decision: Decision) -> None:
    names = SuiteNames(bundle)
    assert names.explain_field('labels["a"]', decision) == ""
    assert names.explain_field("nam", decision).startswith("; there is no field 'nam'; did you mean name?")
