"""Faults that the differential run has found, each in its smallest form."""

from __future__ import annotations

import pytest

from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import Schema
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

CONDITIONS = ["request.labels.exists(key, true)", "!request.labels.all(key, false)"]


@pytest.mark.parametrize("when", CONDITIONS)
def test_a_loop_of_the_condition_leaves_nothing_in_a_variable(schema: Schema, when: str) -> None:
    """In the engine, a loop that ends early leaves its element where the next cel.bind keeps its value.

    So the combined check must not have a loop before a binding: a variable would hold a label's key,
    and what the rule forbids would pass.
    """
    policy = policy_text("name != 'forbidden'", variables={"name": "request.name"})
    bundle = load_bundle(BundleFiles({"bundle.yaml": policy + binding_text(when=when)}), schema)
    request = schema.known[CREATE].request(name="forbidden", labels={"a": "x", "b": "y"})
    decision = Decider(bundle).decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))
    assert [one.rule for one in decision.violations] == ["r0"]
