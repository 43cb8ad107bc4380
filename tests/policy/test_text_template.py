"""Texts of rules before there is a request: what is known is shown, the rest is CEL in braces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.policy.text_template import describe_text, describe_value
from tests.policy.making import CREATE, binding_text, policy_text

if TYPE_CHECKING:
    from tests.policy.conftest import Load

PARAMETERS = {"buckets": ["a", "b"], "limit": 3, "team": "infra"}

TEXTS = {
    r'"a  text\nof lines"': "a text of lines",
    '"use one of " + params.buckets.join(", ")': "use one of a, b",
    '"bucket " + request.name + " is not approved"': "bucket {request.name} is not approved",
    '"of " + (request.name + "!")': "of {request.name}!",
    "words": "known of infra",
    '"at most " + string(params.limit)': "at most 3",
    'request.name == "" ? "empty" : "full"': '{request.name == "" ? "empty" : "full"}',
    '[1, 2].map(one, one + params.limit).size() == 2 ? "two" : "none"': "two",
    '"see https://user:secret@host/?X-Amz-Signature=abc"': "see https://…@host/?…",
}


@pytest.mark.parametrize(("text", "shown"), TEXTS.items(), ids=TEXTS.values())
def test_of_a_text(load: Load, text: str, shown: str) -> None:
    rule: dict[str, Any] = {"assert": "request.name != params.team", "message": text}
    variables = {"words": '"known of " + params.team'}
    reads = {"name": "all", "assert": "size(params.buckets) != params.limit"}
    document = policy_text(rule, reads, variables=variables) + binding_text(params=PARAMETERS)
    (binding,) = load(document).programs[CREATE].bindings
    message = binding.rules[0].message
    assert message is not None
    assert describe_text(message, binding.environment) == shown


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("description", '"made by " + params.team', "made by infra"),
        ("description", '"made by " + caller.id', "made by {caller.id}"),
        ("description", "request.name", "{request.name}"),
    ],
)
def test_of_a_value(load: Load, field: str, value: str, shown: str) -> None:
    rule = {"assert": "request.name != params.team"}
    document = policy_text(rule, set=[{"field": field, "value": value}]) + binding_text(
        params={"team": "infra"}
    )
    (binding,) = load(document).programs[CREATE].bindings
    assert describe_value(binding.mutations[0].value, binding.environment) == shown


def test_of_values_that_are_no_texts(load: Load) -> None:
    values = {
        "size(params.list) > 1": "true",
        "params.list": "[1, 2]",
        "size(request.name)": "{size(request.name)}",
    }
    variables = {f"v{index}": text for index, text in enumerate(values)}
    asserted = "v0 && v1.size() > 0 && v2 > 0"
    document = policy_text(asserted, variables=variables) + binding_text(params={"list": [1, 2]})
    (binding,) = load(document).programs[CREATE].bindings
    shown = [describe_value(expression, binding.environment) for _, expression in binding.variables]
    assert shown == list(values.values())
