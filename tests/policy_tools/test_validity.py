"""Mutations that the API refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.policy_tools.validity import find_refused_mutations
from gateway.validation import Validator
from tests.policy.making import binding_text, policy_text

if TYPE_CHECKING:
    from gateway.schema import Schema
    from tests.policy.conftest import Decide

BAD = [{"field": "name", "value": "'No Such Name!'"}]


def test_a_mutation_that_the_api_refuses_is_named_with_its_policy(schema: Schema, decide: Decide) -> None:
    (reason,) = find_refused_mutations(
        Validator(schema), decide(policy_text("true", set=BAD), binding_text())
    )
    assert reason.startswith("name, which p sets, is not taken by the API: ")


def test_what_only_an_audit_would_set_is_not_refused(schema: Schema, decide: Decide) -> None:
    decision = decide(policy_text("true", set=BAD), binding_text(action="audit"))
    assert find_refused_mutations(Validator(schema), decision) == []


def test_faults_of_the_caller_are_none_of_the_policies(schema: Schema, decide: Decide) -> None:
    good = [{"field": "name", "value": "'good'"}]
    decision = decide(policy_text("true", set=good), binding_text(), folder_id="", uri="")
    assert find_refused_mutations(Validator(schema), decision) == []


def test_without_mutations_nothing_is_validated(schema: Schema, decide: Decide) -> None:
    decision = decide(policy_text("true"), binding_text(), name="No Such Name!")
    assert find_refused_mutations(Validator(schema), decision) == []
