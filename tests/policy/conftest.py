"""Small bundles, and decisions on requests by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gateway.faults import FaultsError
from gateway.policy import Bundle, Decider, Decision, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.schema import Schema

Load = Callable[..., Bundle]
Refuse = Callable[..., list[str]]
Decide = Callable[..., Decision]
MakeRequest = Callable[..., "Message"]


@pytest.fixture
def load(schema: Schema) -> Load:
    """Load a bundle of one file, made of the documents given."""
    return lambda *documents: load_bundle(BundleFiles({"bundle.yaml": "".join(documents)}), schema)


@pytest.fixture
def refuse(schema: Schema) -> Refuse:
    """Load a bundle that has faults: of one file, made of the documents given, or of named files."""

    def faults_of(*documents: str, **files: str) -> list[str]:
        named = {"bundle.yaml": "".join(documents)} if documents else {}
        named |= {f"{name}.yaml": text for name, text in files.items()}
        with pytest.raises(FaultsError) as caught:
            load_bundle(BundleFiles(named), schema)
        return [str(fault) for fault in caught.value.faults]

    return faults_of


@pytest.fixture
def make_request(schema: Schema) -> MakeRequest:
    return schema.known[CREATE].request


@pytest.fixture
def decide(load: Load, make_request: MakeRequest) -> Decide:
    """Decide on a Create, its fields as keyword arguments, by the documents given."""

    def decide_now(*documents: str, **fields: Any) -> Decision:
        policy_input = PolicyInput(CREATE, make_request(**fields), UNKNOWN_CALLER, NOW)
        return Decider(load(*documents)).decide(policy_input)

    return decide_now


@pytest.fixture
def evaluate(decide: Decide) -> Decide:
    """Decide by one policy of the rules given, bound once."""

    def evaluate_now(
        *rules: str | dict[str, Any],
        spec: dict[str, Any] | None = None,
        binding: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Decision:
        return decide(policy_text(*rules, **(spec or {})), binding_text(**(binding or {})), **fields)

    return evaluate_now
