"""Mutations that the API would refuse."""

from __future__ import annotations

import pytest

from gateway.policy import BundleFiles, Decider, PolicyInput, load_bundle
from gateway.policy_tools.validity import find_refused_mutations
from gateway.schema import Schema
from gateway.validation import Validator
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text


@pytest.mark.parametrize(
    ("value", "count"),
    [("'good-name'", 0), ("'Bad Name'", 1), ("request.name", 0)],
    ids=["good", "bad", "same"],
)
def test_values_that_the_api_refuses_are_named(schema: Schema, value: str, count: int) -> None:
    policy = policy_text("true", set=[{"field": "name", "value": value}])
    bundle = load_bundle(BundleFiles({"b.yaml": policy + binding_text()}), schema)
    request = schema.known[CREATE].request(folder_id="b1g", name="Also Bad", uri="https://a")
    decision = Decider(bundle).decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))
    found = find_refused_mutations(Validator(schema), decision)
    assert len(found) == count
    assert all(text.startswith("name, which p sets, is not") for text in found)
