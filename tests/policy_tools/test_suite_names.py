"""Names in test cases that the bundle does not have."""

from __future__ import annotations

import pytest

from gateway.policy import BundleFiles, load_bundle
from gateway.policy_tools import run_suites
from gateway.schema import Schema
from tests.policy.making import CREATE, binding_text, policy_text


def failures(schema: Schema, rule: str) -> str:
    suite = f"""\
---
apiVersion: baremetal-gateway/v1
kind: Tests
metadata: {{name: t}}
cases:
  - name: one
    method: {CREATE}
    request: {{}}
    expect: {{decision: deny, violations: [{{rule: {rule}}}]}}
"""
    text = policy_text("true", "false") + binding_text() + suite
    (result,) = run_suites(load_bundle(BundleFiles({"b.yaml": text}), schema), schema)
    return " ".join(result.differences)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("p/r2", "there is no such rule; did you mean"),
        ("q/r1", "there is no policy 'q', so there is no such rule"),
        ("r1", "a rule is named <policy>/<rule>"),
        ("p/r0", "the rule was met"),
    ],
)
def test_what_is_wrong_with_the_name_is_explained(schema: Schema, rule: str, expected: str) -> None:
    assert expected in failures(schema, rule)
