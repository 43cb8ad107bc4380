from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import Explanation, explain, explanation_to_json, explanation_to_text
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text

if TYPE_CHECKING:
    from gateway.schema import Schema

NOT_FOUND = 'NOT_FOUND: Key not found in map : "x"'


def tell(schema: Schema, *documents: str, method: str = CREATE, **fields: Any) -> Explanation:
    bundle = load_bundle(BundleFiles({"b.yaml": "".join(documents)}), schema)
    policy_input = PolicyInput(method, schema.known[method].request(**fields), UNKNOWN_CALLER, NOW)
    return explain(Decider(bundle), policy_input, schema)


# What a bundle holds → the lines for a request named "n", below the line that names the bundle.
TEXTS: dict[str, tuple[list[str], str]] = {
    "allowed": (
        [policy_text("request.name == 'n'"), binding_text()],
        """\
allow: {CREATE}

binding b: policy p, deny
  rule r0: met
    request.name == "n"  →  true
      request.name  →  "n"
""",
    ),
    "denied": (
        [
            policy_text(
                {"name": "named", "field": "name", "assert": "v == 'x'", "message": "'no'", "fix": "'yes'"},
                variables={"v": "request.name"},
            ),
            binding_text(),
        ],
        """\
deny: {CREATE}
  deny: p/named (b): no; yes; name is "n"

binding b: policy p, deny
  v = request.name  →  "n"
  rule named: broken
    no; yes; name is "n"
    v == "x"  →  false
""",
    ),
    "waived": (
        [policy_text("false"), binding_text(), waiver_text()],
        """\
allow: {CREATE}
  waived by w: p/r0 (b): does not meet: false

binding b: policy p, deny
  rule r0: waived
    does not meet: false
    false  →  false
    waiver w: applies; infra@example.com (OPS-1412), until 2026-12-31T00:00:00Z
""",
    ),
    "error": (
        [policy_text("request.labels['x'] == 'y'"), binding_text(action="warn")],
        """\
allow: {CREATE}
  warn: p/r0 (b): the rule cannot be evaluated: {NOT_FOUND}

binding b: policy p, warn
  rule r0: error
    the rule cannot be evaluated: {NOT_FOUND}
    request.labels["x"] == "y"  →  error: {NOT_FOUND}
      request.labels["x"]  →  error: {NOT_FOUND}
        request.labels  →  {{}}
""",
    ),
    "a binding that does not apply": (
        [policy_text("false"), binding_text(when="request.name == 'x'")],
        """\
allow: {CREATE}

binding b: policy p, deny, which does not apply
  when
    request.name == "x"  →  false
      request.name  →  "n"
""",
    ),
    "a binding that applies in doubt": (
        [policy_text("true"), binding_text(when="request.labels['x'] == 'y'")],
        """\
deny: {CREATE}
  deny: p/when (b): when cannot be evaluated: {NOT_FOUND}

binding b: policy p, deny, which applies because its condition cannot be evaluated
  when
    request.labels["x"] == "y"  →  error: {NOT_FOUND}
      request.labels["x"]  →  error: {NOT_FOUND}
        request.labels  →  {{}}
  rule r0: met
    true  →  true
""",
    ),
    "a binding that applies": (
        [policy_text("true"), binding_text(when="request.name == 'n'")],
        """\
allow: {CREATE}

binding b: policy p, deny
  when
    request.name == "n"  →  true
      request.name  →  "n"
  rule r0: met
    true  →  true
""",
    ),
    "settings": (
        [
            policy_text(
                set=[
                    {"field": "name", "value": "'xx'"},
                    {"field": "name", "value": "'y'", "when": "request.uri != ''"},
                    {"field": "uri", "value": "request.labels['x']"},
                ]
            ),
            binding_text("b", action="warn"),
            binding_text("c", action="audit"),
        ],
        """\
allow: {CREATE}
  set: name by p/set[0] (b): "n" → "xx"
  warn: p/set[2] (b): the field cannot be set: {NOT_FOUND}
  audit: p/set[2] (c): the field cannot be set: {NOT_FOUND}

binding b: policy p, warn
  set[0] name: set: "n" → "xx"
  set[1] name: left as it was
  set[2] uri: error: the field cannot be set: {NOT_FOUND}

binding c: policy p, audit
  set[0] name: left as it was
  set[1] name: left as it was
  set[2] uri: error: the field cannot be set: {NOT_FOUND}
""",
    ),
    "a setting that is only told": (
        [policy_text(set=[{"field": "name", "value": "'x'"}]), binding_text(action="audit")],
        """\
allow: {CREATE}
  would be set: name by p/set[0] (b): "n" → "x"

binding b: policy p, audit
  set[0] name: would be set: "n" → "x"
""",
    ),
    "a text over several lines": (
        [policy_text("v.size() ==\n  2", variables={"v": "[\n  1,\n  2\n]"}), binding_text()],
        """\
allow: {CREATE}

binding b: policy p, deny
  v = [ 1, 2 ]  →  [1, 2]
  rule r0: met
    v.size() == 2  →  true
      v.size()  →  2
""",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_is_readable(schema: Schema, name: str) -> None:
    documents, expected = TEXTS[name]
    explanation = tell(schema, *documents, name="n")
    first, second, *rest = explanation_to_text(explanation).splitlines(keepends=True)
    assert second == f"at 2026-01-01T00:00:00Z, by the bundle {explanation.decision.bundle}\n"
    assert first + "".join(rest) == expected.format(CREATE=CREATE, NOT_FOUND=NOT_FOUND)


def test_a_method_that_no_binding_is_about(schema: Schema) -> None:
    explanation = tell(schema, policy_text("false"), binding_text(), method=f"{SERVICE}/Get")
    text = explanation_to_text(explanation)
    assert text.endswith("\n\nno binding is about the method, so nothing is evaluated\n")
    assert explanation_to_json(explanation)["bindings"] == []


def test_as_json_it_holds_the_same(schema: Schema) -> None:
    policy = policy_text("false", "false", set=[{"field": "name", "value": "'x'"}], variables={"v": "1"})
    explanation = tell(schema, policy, binding_text(when="true"), waiver_text())
    told = explanation_to_json(explanation)
    read = json.loads(json.dumps(told))
    assert (read["method"], read["decision"], read["now"]) == (CREATE, "deny", "2026-01-01T00:00:00Z")
    assert read["bundle"] == explanation.decision.bundle
    assert [one["rule"] for one in read["violations"]] == ["r1"]
    assert [(one["rule"], one["waiver"]) for one in read["waived"]] == [("r0", "w")]
    assert read["waivers"] == ["w"]
    assert [one["field"] for one in read["mutations"]] == ["name"]
    (binding,) = read["bindings"]
    assert (binding["name"], binding["policy"], binding["action"], binding["applies"]) == (
        "b",
        "p",
        "deny",
        True,
    )
    assert binding["when"] == [{"depth": 0, "text": "true", "value": "true"}]
    assert binding["variables"] == [{"depth": 0, "text": "v = 1", "value": "1"}]
    assert binding["settings"] == [
        {"name": "set[0]", "field": "name", "outcome": "set", "told": 'not set → "x"'}
    ]
    assert [one["outcome"] for one in binding["rules"]] == ["waived", "broken"]
    assert list(binding["rules"][0]["waivers"]) == ["w"]
