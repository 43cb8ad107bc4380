from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import Difference, compare_bundles
from tests.policy.making import CREATE, binding_text, policy_text
from tests.policy.test_params import params_text
from tests.policy.test_waivers import waiver_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

GOOD = policy_text("true") + binding_text()
HIDES = " (a redacted part differs)"


def compare(schema: Schema, old: str | dict[str, str], new: str | dict[str, str]) -> list[Difference]:
    bundles = [
        load_bundle(BundleFiles(files if isinstance(files, dict) else {"b.yaml": files}), schema)
        for files in (old, new)
    ]
    return compare_bundles(*bundles)


def lines(differences: list[Difference]) -> list[str]:
    return [f"{one.sign} {one.what}: {one.before} → {one.after}" for one in differences]


def suite_text(*cases: dict[str, Any]) -> str:
    full = [
        {"name": "c", "method": CREATE, "request": {}, "expect": {"decision": "allow"}} | case
        for case in cases
    ]
    document = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Tests",
        "metadata": {"name": "t"},
        "cases": full,
    }
    return "---\n" + yaml.safe_dump(document, sort_keys=False, width=10_000)


# What two bundles hold → the differences.
DIFFERENCES: dict[str, tuple[str, str, list[str]]] = {
    "nothing": (GOOD, GOOD, []),
    "comments and order": (GOOD, "# new\n" + binding_text() + policy_text("true"), []),
    "what is the default anyway": (GOOD, policy_text("true", variables={}) + binding_text(action="deny"), []),
    "a new policy": (
        GOOD,
        GOOD + policy_text("true", name="q") + binding_text("c", "q"),
        ["+ Policy q:  → ", "+ Binding c:  → "],
    ),
    "a policy less": (
        GOOD + policy_text("true", name="q") + binding_text("c", "q"),
        GOOD,
        ["- Policy q:  → ", "- Binding c:  → "],
    ),
    "an assertion": (
        GOOD,
        policy_text("false") + binding_text(),
        ['~ Policy p: spec.rules[r0].assert: "true" → "false"'],
    ),
    "a new rule": (
        GOOD,
        policy_text("true", {"assert": "false", "message": "'no'"}) + binding_text(),
        [
            '+ Policy p: spec.rules[r1].assert:  → "false"',
            '+ Policy p: spec.rules[r1].field:  → ""',
            "+ Policy p: spec.rules[r1].message:  → \"'no'\"",
            '+ Policy p: spec.rules[r1].severity:  → "medium"',
        ],
    ),
    "rules in another order": (
        policy_text({"name": "a", "assert": "true"}, {"name": "b", "assert": "true"}) + binding_text(),
        policy_text({"name": "b", "assert": "true"}, {"name": "a", "assert": "true"}) + binding_text(),
        [],
    ),
    "an action": (
        GOOD,
        policy_text("true") + binding_text(action="warn"),
        ['~ Binding b: spec.action: "deny" → "warn"'],
    ),
    "a condition": (
        GOOD,
        policy_text("true") + binding_text(when="true"),
        ['+ Binding b: spec.when:  → "true"'],
    ),
    "settings": (
        policy_text("true", set=[{"field": "name", "value": "'a'"}]) + binding_text(),
        policy_text("true", set=[{"field": "name", "value": "'b'"}]) + binding_text(),
        [
            (
                '~ Policy p: spec.set: [{"field": "name", "value": "\'a\'", "when": null}] → '
                '[{"field": "name", "value": "\'b\'", "when": null}]'
            )
        ],
    ),
    "no rules": (
        policy_text("true", set=[{"field": "name", "value": "'a'"}]) + binding_text(),
        policy_text(set=[{"field": "name", "value": "'a'"}]) + binding_text(),
        [
            '- Policy p: spec.rules[r0].assert: "true" → ',
            '- Policy p: spec.rules[r0].field: "" → ',
            '- Policy p: spec.rules[r0].severity: "medium" → ',
        ],
    ),
    "values": (
        GOOD + params_text(a=1, b=[], c={"d": "e"}),
        GOOD + params_text(a="1", b=["x"], c={}),
        [
            '~ Params shared: spec.a: 1 → "1"',
            '~ Params shared: spec.b: [] → ["x"]',
            '- Params shared: spec.c.d: "e" → ',
            "+ Params shared: spec.c:  → {}",
        ],
    ),
    "an empty value": (
        GOOD + params_text(a=1),
        GOOD + params_text(a=1, b=[]),
        ["+ Params shared: spec.b:  → []"],
    ),
    "values in another order": (GOOD + params_text(a=1, b=2), GOOD + params_text(b=2, a=1), []),
    "a waiver": (
        GOOD + waiver_text(),
        GOOD + waiver_text(expires="2027-01-01T03:00:00+03:00"),
        ['~ Waiver w: spec.expires: "2026-12-31T00:00:00Z" → "2027-01-01T03:00:00+03:00"'],
    ),
    "a case": (
        GOOD + suite_text({"request": {"name": "a"}}),
        GOOD + suite_text({"request": {"name": "b", "labels": {}}}),
        [
            '~ Tests b.yaml: cases[c].request.name: "a" → "b"',
            "+ Tests b.yaml: cases[c].request.labels:  → {}",
        ],
    ),
    "cases of one name": (
        GOOD + suite_text({"request": {"name": "a"}}, {"request": {"name": "b"}}),
        GOOD + suite_text({"request": {"name": "x"}}, {"request": {"name": "b"}}),
        ['~ Tests b.yaml: cases[c].request.name: "a" → "x"'],
    ),
    "the second of one name": (
        GOOD + suite_text({"request": {"name": "a"}}, {"request": {"name": "b"}}),
        GOOD + suite_text({"request": {"name": "a"}}, {"request": {"name": "x"}}),
        ['~ Tests b.yaml: cases[c #2].request.name: "b" → "x"'],
    ),
    "cases without requests that stand in params": (
        GOOD + params_text(rules=["a"], cases=[]),
        GOOD + params_text(rules=["b"], cases=[{"x": 1}]),
        ['~ Params shared: spec.rules: ["a"] → ["b"]', '~ Params shared: spec.cases: [] → [{"x": 1}]'],
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_reports_what_differs(schema: Schema, name: str) -> None:
    old, new, expected = DIFFERENCES[name]
    assert lines(compare(schema, old, new)) == expected


@pytest.mark.parametrize("name", DIFFERENCES)
def test_turned_around_the_same_differs(schema: Schema, name: str) -> None:
    old, new, _ = DIFFERENCES[name]
    turned = {"+": "-", "-": "+", "~": "~"}
    forth, back = compare(schema, old, new), compare(schema, new, old)
    assert {(turned[one.sign], one.what, one.after, one.before) for one in forth} == {
        (one.sign, one.what, one.before, one.after) for one in back
    }


def test_the_order_of_what_sets_fields_matters(schema: Schema) -> None:
    policies = policy_text(set=[{"field": "name", "value": "'a'"}]) + policy_text(
        name="q", set=[{"field": "name", "value": "'b'"}]
    )
    both = [binding_text("a", "p"), binding_text("b", "q")]
    old, new = policies + "".join(both), policies + "".join(reversed(both))
    assert lines(compare(schema, old, new)) == [
        f'~ order in which bindings set fields of {CREATE}: ["a", "b"] → ["b", "a"]'
    ]
    renamed = {"z.yaml": binding_text("a", "p"), "b.yaml": policies + binding_text("b", "q")}
    assert [one.sign for one in compare(schema, old, renamed)] == ["~"]


def test_a_long_text_is_shown_where_it_differs(schema: Schema) -> None:
    text = " && ".join(f"request.name != '{number:04}'" for number in range(100))
    changed = text.replace("0050", "9050")
    (one,) = compare(schema, policy_text(text) + binding_text(), policy_text(changed) + binding_text())
    assert "'0050'" in one.before
    assert "'9050'" in one.after
    for shown in (one.before, one.after):
        assert shown.startswith("…")
        assert shown.endswith("…")
        assert len(shown) < 310


def test_a_long_text_that_ends_sooner_is_shown_too(schema: Schema) -> None:
    text = " && ".join(f"request.name != '{number:04}'" for number in range(100))
    shorter = text.partition(" && request.name != '0090'")[0]
    (one,) = compare(schema, policy_text(text) + binding_text(), policy_text(shorter) + binding_text())
    assert one.before != one.after
    assert one.after.endswith('"')


def test_a_secret_is_hidden_and_its_change_is_reported(schema: Schema) -> None:
    link = "https://storage.yandexcloud.net/b/a.iso"
    other = sign_link(link).replace(SIGNATURE, SIGNATURE[::-1])
    old, new = (GOOD + suite_text({"request": {"uri": uri}}) for uri in (sign_link(link), other))
    (one,) = compare(schema, old, new)
    assert (one.sign, one.before, one.after) == ("~", f'"{link}?…"', f'"{link}?…"{HIDES}')
    assert SIGNATURE not in repr(one)
    assert SIGNATURE[::-1] not in repr(one)
