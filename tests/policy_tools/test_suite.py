from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.bundle_files import BundleFiles
from gateway.bundles import read_bundle
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy_tools import CaseResult, explain, explanation_to_text, measure_coverage, run_suites
from tests.conftest import ROOT
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.schema import Schema

BUNDLE = (
    policy_text({"name": "named", "assert": "request.name != ''", "message": "'set a name'", "field": "name"})
    + policy_text({"name": "late", "assert": "now < timestamp('2026-06-01T00:00:00Z')"}, name="time")
    + policy_text("request.labels['x'] == 'y'", name="failing")
    + binding_text()
    + binding_text("t", "time", action="warn")
    + binding_text("f", "failing", action="audit", when="request.description == 'fail'")
)
NAMED = {"name": "n"}
UNNAMED = {"rule": "p/named"}


def run(schema: Schema, case: dict[str, Any]) -> CaseResult:
    suite = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Tests",
        "metadata": {"name": "t"},
        "cases": [{"name": "c", "method": CREATE, **case}],
    }
    files = {"a.yaml": BUNDLE, "tests/t.yaml": yaml.safe_dump(suite)}
    (result,) = run_suites(load_bundle(BundleFiles(files), schema), schema)
    assert (result.file, result.case) == ("tests/t.yaml", "c")
    return result


PASSING: list[dict[str, Any]] = [
    {"request": NAMED, "expect": {"decision": "allow"}},
    {"request": {}, "expect": {"decision": "deny", "violations": [UNNAMED]}},
    {"request": {}, "expect": {"decision": "deny", "violations": [UNNAMED | {"field": "name"}]}},
    {
        "request": {},
        "expect": {
            "decision": "deny",
            "violations": [UNNAMED | {"message": "set a name; name is not set"}],
        },
    },
    {
        "request": NAMED,
        "now": "2026-06-01T00:00:00Z",
        "expect": {"decision": "allow", "warnings": [{"rule": "time/late"}]},
    },
    {"request": NAMED, "now": "2026-06-01T02:59:59+03:00", "expect": {"decision": "allow"}},
    {
        "request": {**NAMED, "description": "fail"},
        "expect": {"decision": "allow", "audits": [{"rule": "failing/r0"}]},
    },
    {"method": f"{SERVICE}/Get", "request": {"imageId": "x"}, "expect": {"decision": "allow"}},
    {"method": f"{SERVICE}/Get", "request": {"image_id": "x"}, "expect": {"decision": "allow"}},
]

FAILING: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"request": {}, "expect": {"decision": "allow"}},
        [
            "decision: expected allow, got deny",
            "violation p/named: not expected: set a name; name is not set",
        ],
    ),
    (
        {"request": NAMED, "expect": {"decision": "deny", "violations": [UNNAMED]}},
        [
            "decision: expected deny, got allow",
            "violation p/named: expected, but the rule was met",
        ],
    ),
    (
        {"request": {}, "expect": {"decision": "deny", "violations": []}},
        ["violation p/named: not expected: set a name; name is not set"],
    ),
    (
        {"request": {}, "expect": {"decision": "deny", "violations": [UNNAMED, UNNAMED]}},
        ["violation p/named: expected, but the rule was met"],
    ),
    (
        {"request": {}, "expect": {"decision": "deny", "violations": [UNNAMED | {"field": "uri"}]}},
        [
            "violation p/named: expected the field 'uri'",
            "violation p/named:      got the field 'name'",
        ],
    ),
    (
        {"request": {}, "expect": {"decision": "deny", "violations": [UNNAMED | {"message": "set a name"}]}},
        [
            "violation p/named: expected the message 'set a name'",
            "violation p/named:      got the message 'set a name; name is not set'",
        ],
    ),
    (
        {"request": {}, "expect": {"decision": "deny", "warnings": [UNNAMED]}},
        [
            "violation p/named: not expected: set a name; name is not set",
            "warning p/named: expected, but the rule was met",
        ],
    ),
    (
        {"request": NAMED, "now": "2026-07-01T00:00:00Z", "expect": {"decision": "allow"}},
        ["warning time/late: not expected: does not meet: now < timestamp('2026-06-01T00:00:00Z')"],
    ),
    (
        {"request": {**NAMED, "description": "fail"}, "expect": {"decision": "allow"}},
        [
            (
                "audit failing/r0: not expected: the rule cannot be evaluated: "
                'NOT_FOUND: Key not found in map : "x"'
            )
        ],
    ),
    (
        {"method": f"{SERVICE}/Creat", "request": {}, "expect": {"decision": "allow"}},
        [f"'{SERVICE}/Creat' is no known method; did you mean {CREATE}?"],
    ),
    ({"method": "", "request": {}, "expect": {"decision": "allow"}}, ["'' is no known method"]),
]

# No request of the method: each is said so, whatever the parser raises.
UNFIT: list[dict[str, Any]] = [
    {"nam": "n"},
    {"name": 1},
    {"name": ["n"]},
    {"name": {"a": "b"}},
    {"labels": []},
    {"labels": "a"},
    {"labels": {"a": 1}},
    {"labels": {"a": None}},
    {"labels": [{"a": "b"}]},
]
UNFIT_UPDATES: list[dict[str, Any]] = [
    {"updateMask": 5},
    {"updateMask": ["name"]},
    {"updateMask": {"paths": ["name"]}},
    {"updateMask": "up_date"},
]


@pytest.mark.parametrize("case", [pytest.param(case, id=str(number)) for number, case in enumerate(PASSING)])
def test_a_case_passes(schema: Schema, case: dict[str, Any]) -> None:
    result = run(schema, case)
    assert result.differences == ()
    assert result.has_passed


@pytest.mark.parametrize(
    ("case", "differences"), [pytest.param(*row, id=str(number)) for number, row in enumerate(FAILING)]
)
def test_a_case_fails_and_says_why(schema: Schema, case: dict[str, Any], differences: list[str]) -> None:
    result = run(schema, case)
    assert list(result.differences) == differences
    assert not result.has_passed


@pytest.mark.parametrize(
    ("method", "request_"),
    [pytest.param("Create", one, id=f"create-{number}") for number, one in enumerate(UNFIT)]
    + [pytest.param("Update", one, id=f"update-{number}") for number, one in enumerate(UNFIT_UPDATES)],
)
def test_a_request_has_to_fit(schema: Schema, method: str, request_: dict[str, Any]) -> None:
    case = {"method": f"{SERVICE}/{method}", "request": request_, "expect": {"decision": "deny"}}
    (difference,) = run(schema, case).differences
    assert difference.startswith(f"the request does not fit yandex.cloud.baremetal.v1alpha.{method}Image")


def test_a_rule_that_fails_is_not_covered(schema: Schema) -> None:
    expect = {"decision": "deny", "violations": [UNNAMED], "audits": [{"rule": "failing/r0"}]}
    result = run(schema, {"request": {"description": "fail"}, "expect": expect})
    assert result.has_passed
    assert result.touched == {"p/named", "binding b"}


def test_the_bundle_that_ships_passes_its_tests_and_they_break_every_rule(schema: Schema) -> None:
    bundle = load_bundle(read_bundle(ROOT / "policies"), schema)
    results = run_suites(bundle, schema)
    assert [result for result in results if not result.has_passed] == []
    assert measure_coverage(bundle, results).missed == []
    assert len(results) > 80


def test_a_mutation_that_the_api_does_not_take_fails_the_case(schema: Schema) -> None:
    suite = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Tests",
        "metadata": {"name": "t"},
        "cases": [{"name": "c", "method": CREATE, "request": {"uri": "x"}, "expect": {"decision": "allow"}}],
    }
    setting = {"field": 'labels["Managed By"]', "value": "'x'"}
    files = {
        "a.yaml": policy_text("true", set=[setting]) + binding_text(),
        "b.yaml": yaml.safe_dump(suite),
    }
    bundle = load_bundle(BundleFiles(files), schema)
    (result,) = run_suites(bundle, schema)
    (difference,) = result.differences
    assert difference.startswith('labels["Managed By"], which p sets, is not taken by the API: ')
    asked = PolicyInput(CREATE, schema.known[CREATE].request(uri="x"), UNKNOWN_CALLER, NOW)
    told = explanation_to_text(explain(Decider(bundle), asked, schema))
    assert '  answered 400 in service: labels["Managed By"], which p sets' in told
