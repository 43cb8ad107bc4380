from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.bundles import read_bundle
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
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
        ["violation p/named: expected more often than the rule was broken"],
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
            "warning p/named: expected, but the rule was broken as violation",
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
    policy_input = PolicyInput(CREATE, schema.known[CREATE].request(uri="x"), UNKNOWN_CALLER, NOW)
    told = explanation_to_text(explain(Decider(bundle), policy_input, schema))
    assert '  400 in service: labels["Managed By"], which p sets' in told


# What a case expects → the line that says why it is not so.
NAMES: dict[str, tuple[dict[str, Any], str]] = {
    "a rule of another name": (
        {"violations": [{"rule": "p/namd"}]},
        "violation p/namd: there is no such rule; did you mean p/named?",
    ),
    "a rule of a name unlike any": (
        {"violations": [{"rule": "p/xyz"}]},
        "violation p/xyz: there is no such rule; rules of p: p/named",
    ),
    "a rule of another policy": (
        {"warnings": [{"rule": "tme/late"}]},
        "warning tme/late: there is no policy 'tme', so there is no such rule; did you mean time/late?",
    ),
    "a rule without its policy": (
        {"violations": [{"rule": "named"}]},
        "violation named: there is no such rule; a rule is named <policy>/<rule>; did you mean p/named?",
    ),
    "a rule that was met": (
        {"violations": [UNNAMED]},
        "violation p/named: expected, but the rule was met",
    ),
    "a rule whose binding does not apply": (
        {"audits": [{"rule": "failing/r0"}]},
        "audit failing/r0: expected, but no binding of its policy applies to the request: see their when",
    ),
    "a condition that can be evaluated": (
        {"audits": [{"rule": "failing/when"}]},
        "audit failing/when: expected, but it could be evaluated",
    ),
    "a condition that there is not": (
        {"violations": [{"rule": "p/when"}]},
        "violation p/when: there is no such rule; rules of p: p/named",
    ),
    "a field that there is not": (
        {"mutations": [{"field": "nmae"}]},
        "mutations: expected ['nmae'], got []; there is no field 'nmae'",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_case_names_and_the_bundle_has_not(schema: Schema, name: str) -> None:
    expect, line = NAMES[name]
    result = run(schema, {"request": NAMED, "expect": {"decision": "allow", **expect}})
    assert any(one.startswith(line) for one in result.differences), result.differences


def test_a_rule_of_another_method(schema: Schema) -> None:
    result = run(
        schema,
        {
            "method": f"{SERVICE}/Get",
            "request": {"imageId": "x"},
            "expect": {"decision": "allow", "violations": [UNNAMED]},
        },
    )
    assert result.differences == (
        f"violation p/named: expected, but no binding of its policy is about {SERVICE}/Get",
    )


def test_a_waiver_that_there_is_not(schema: Schema) -> None:
    expected = {"rule": "p/named", "waiver": "trial", "field": "nam"}
    result = run(schema, {"request": {}, "expect": {"decision": "deny", "violations": [expected]}})
    assert "violation p/named: expected the waiver 'trial'; there is no waiver 'trial'" in result.differences
    (field,) = [one for one in result.differences if "expected the field" in one]
    assert "did you mean name?" in field


@pytest.mark.parametrize(
    ("containing", "names"),
    [
        ("", ["one", "two", "three"]),
        ("tw", ["two"]),
        ("second", ["three"]),
        ("a.yaml", ["one", "two"]),
    ],
)
def test_runs_the_cases_that_are_asked_for(schema: Schema, containing: str, names: list[str]) -> None:
    def suite(name: str, *cases: str) -> str:
        listed = [
            {"name": case, "method": CREATE, "request": NAMED, "expect": {"decision": "allow"}}
            for case in cases
        ]
        head = {"apiVersion": "baremetal-gateway/v1", "kind": "Tests", "metadata": {"name": name}}
        return yaml.safe_dump({**head, "cases": listed})

    files = {"p.yaml": BUNDLE, "a.yaml": suite("frst", "one", "two"), "b.yaml": suite("second", "three")}
    results = run_suites(load_bundle(BundleFiles(files), schema), schema, containing)
    assert [result.case for result in results] == names
