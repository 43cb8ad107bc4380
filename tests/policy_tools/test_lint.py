from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import find_weaknesses
from gateway.policy_tools.lint import is_create
from gateway.schema import Schema, load_schema
from tests.policy.making import CREATE, NOW, SERVICE, binding_text, policy_text
from tests.policy.test_params import params_text
from tests.policy.test_waivers import waiver_text

GOOD = policy_text("request.name != ''") + binding_text()
END = datetime(2026, 12, 31, tzinfo=UTC)


@pytest.fixture(scope="module")
def schema() -> Schema:
    """One version of the API: most bundles here are about v1alpha only."""
    return load_schema([SERVICE, "yandex.cloud.operation.OperationService"])


def lint(schema: Schema, *texts: str, now: datetime = NOW) -> list[str]:
    files = {f"{chr(ord('a') + number)}.yaml": text for number, text in enumerate(texts)}
    return [str(one) for one in find_weaknesses(load_bundle(BundleFiles(files), schema), schema, now)]


def test_nothing_is_found_in_a_good_bundle(schema: Schema) -> None:
    assert lint(schema, GOOD) == []


OWNER = "infra@example.com (OPS-1412)"


@pytest.mark.parametrize(
    ("now", "finding"),
    [
        (END - timedelta(days=14, microseconds=1), None),
        (END - timedelta(days=14), f"note: a.yaml:30:3: spec.expires: the waiver of {OWNER} expires soon"),
        (
            END - timedelta(microseconds=1),
            f"note: a.yaml:30:3: spec.expires: the waiver of {OWNER} expires soon",
        ),
        (
            END,
            (
                "warning: a.yaml:30:3: spec.expires: expired, so the waiver has no effect; delete it, "
                f"or agree on a new one with {OWNER}"
            ),
        ),
    ],
)
def test_waivers_that_end(schema: Schema, now: datetime, finding: str | None) -> None:
    assert lint(schema, GOOD + waiver_text(), now=now) == ([finding] if finding else [])


# A bundle → what is found, without the file and the place.
FINDINGS: dict[str, tuple[str, list[str]]] = {
    "Params that nothing takes": (
        GOOD + params_text(a=1),
        ["warning: metadata.name: no binding takes the Params 'shared'"],
    ),
    "a parameter that nothing reads": (
        policy_text("request.name != params.a")
        + binding_text(paramsFrom=["shared"])
        + params_text(a="x", b=1),
        ["warning: spec.b: no policy reads the parameter 'b'"],
    ),
    "a parameter that one of two bindings reads": (
        policy_text("request.name != params.a")
        + policy_text("request.name != params.b", name="q")
        + binding_text("x", "p", paramsFrom=["shared"])
        + binding_text("y", "q", paramsFrom=["shared"])
        + params_text(a="x", b="y"),
        [],
    ),
    "two bindings that say the same": (
        GOOD + binding_text("c"),
        ["warning: metadata.name: the binding is the same as b; keep one"],
    ),
    "two bindings for different requests": (
        policy_text("request.name != ''")
        + binding_text("b", when="request.uri == 'a'")
        + binding_text("c", when="request.uri == 'b'"),
        [],
    ),
    "a condition that is always true": (
        policy_text("request.name != ''") + binding_text(when="1 == 1"),
        ["warning: spec.when: is true for every request; leave it out"],
    ),
    "a condition that is never true": (
        policy_text("request.name != ''") + binding_text(when="params.a == 2", params={"a": 1}),
        ["warning: spec.when: is false for every request, so the binding has no effect"],
    ),
    "a condition that always fails": (
        policy_text("request.name != ''") + binding_text(when="1 / 0 == 1"),
        ["warning: spec.when: fails for every request"],
    ),
    "a condition on the method": (
        policy_text("request.name != ''") + binding_text(when="method.endsWith('e')"),
        [],
    ),
    "a condition on the time": (
        policy_text("request.name != ''") + binding_text(when="now > timestamp('2026-01-01T00:00:00Z')"),
        [],
    ),
    "a variable that nothing reads": (
        policy_text("request.name != ''", variables={"v": "request.name"}) + binding_text(),
        ["warning: spec.variables.v: nothing reads the variable"],
    ),
    "a variable that another one reads": (
        policy_text("w != ''", variables={"v": "request.name", "w": "v"}) + binding_text(),
        [],
    ),
    "a variable that only a field reads": (
        policy_text({"assert": "request.name != ''", "field": 'v["env"]'}, variables={"v": "request.labels"})
        + binding_text(),
        [],
    ),
    "a variable that only a text reads": (
        policy_text(
            {"assert": "request.name != ''", "message": "v"},
            {"assert": "request.uri != ''", "fix": "w"},
            variables={"v": "request.name", "w": "request.uri"},
        )
        + binding_text(),
        [],
    ),
    "a rule that asks nothing": (
        policy_text("v == 1", "request.name != ''", variables={"v": "1"}) + binding_text(),
        ["warning: spec.rules[0].assert: is true for every request, so the rule has no effect"],
    ),
    "a rule that forbids all": (
        policy_text({"assert": "false", "message": "'nobody makes images here'"}) + binding_text(),
        ["note: spec.rules[0].assert: is false for every request, so each request breaks it"],
    ),
    "a rule that always fails": (
        policy_text("1 / 0 == 1") + binding_text(),
        ["warning: spec.rules[0].assert: fails for every request"],
    ),
    "a rule that parameters switch": (
        policy_text("params.a == 1")
        + binding_text("b", params={"a": 1})
        + binding_text("c", params={"a": 2}),
        [],
    ),
    "a rule that a true alternative makes true": (
        policy_text("request.name == 'a' || true") + binding_text(),
        ["warning: spec.rules[0].assert: is true for every request, so the rule has no effect"],
    ),
    "a rule that is false whatever the request is": (
        policy_text("request.name == 'a' && false") + binding_text(),
        ["warning: spec.rules[0].assert: is false for every request, so each request breaks it"],
    ),
    "a condition that a false part makes false": (
        policy_text("request.name != ''") + binding_text(when="request.uri == 'a' && 1 == 2"),
        ["warning: spec.when: is false for every request, so the binding has no effect"],
    ),
    "a waiver for every request, and one for none": (
        GOOD.replace("r0", "named")
        + waiver_text(name="all", rules=["named"], when="request.uri == 'a' || request.uri != 'a'")
        + waiver_text(name="none", rules=["named"], when="request.uri != request.uri"),
        [
            "warning: spec.when: is true for every request; leave it out",
            "warning: spec.when: is false for every request, so the waiver has no effect",
        ],
    ),
    "a setting that is never made": (
        policy_text(set=[{"field": "name", "value": "'a'", "when": "size(request.name) < 0"}])
        + binding_text(),
        ["warning: spec.set[0].when: is false for every request, so the field is never set"],
    ),
    "a setting that is overwritten": (
        policy_text(set=[{"field": "name", "value": "'a'"}, {"field": "name", "value": "'b'"}])
        + binding_text(),
        [
            (
                "warning: spec.set[0].field: has no effect: p/set[1] under the binding b sets name after it, "
                "whatever the request"
            )
        ],
    ),
    "a default and what goes before it": (
        policy_text(
            set=[
                {"field": "name", "value": "'a'"},
                {"field": "name", "value": "'b'", "when": "request.uri == ''"},
            ]
        )
        + binding_text(),
        [],
    ),
    "settings of other fields": (
        policy_text(set=[{"field": 'labels["a"]', "value": "'a'"}, {"field": 'labels["b"]', "value": "'b'"}])
        + binding_text(),
        [],
    ),
    "a setting for each environment": (
        policy_text(set=[{"field": "name", "value": "params.a"}])
        + binding_text("b", when="request.uri == 'a'", params={"a": "x"})
        + binding_text("c", when="request.uri != 'a'", params={"a": "y"}),
        [],
    ),
    "a setting that is only told": (
        policy_text(set=[{"field": "name", "value": "'a'"}])
        + policy_text(name="q", set=[{"field": "name", "value": "'b'"}])
        + binding_text("b", "p")
        + binding_text("c", "q", action="audit"),
        [],
    ),
    "a binding of a method that is not served": (
        policy_text("request.api_endpoint_id != ''", methods=["yandex.cloud.endpoint.ApiEndpointService/Get"])
        + policy_text("request.uri != ''", name="q")
        + binding_text()
        + binding_text("c", "q"),
        ["warning: spec.policy: no method that the policy p is about is served"],
    ),
    "a policy bound twice overwrites itself": (
        policy_text(set=[{"field": "name", "value": "params.a"}])
        + binding_text("b", params={"a": "x"})
        + binding_text("c", params={"a": "y"}),
        [
            (
                "warning: spec.set[0].field: has no effect: p/set[0] under the binding c sets name after it, "
                "whatever the request"
            )
        ],
    ),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_finds_what_may_be_wrong(schema: Schema, name: str) -> None:
    text, expected = FINDINGS[name]
    found = lint(schema, text)
    assert [
        f"{level}: {rest.partition(': ')[2]}" for level, _, rest in (one.partition(": ") for one in found)
    ] == (expected)
    assert all(one.partition(": ")[2].startswith("a.yaml:") for one in found)


def test_a_finding_of_several_methods_is_reported_once(schema: Schema) -> None:
    methods = [f"{SERVICE}/Create", f"{SERVICE}/Update"]
    settings = [{"field": "name", "value": "'a'"}, {"field": "name", "value": "'b'"}]
    found = lint(
        schema, policy_text("true", methods=methods, set=settings, variables={"v": "1"}) + binding_text()
    )
    assert [one.partition(": ")[2].partition(": ")[2].partition(":")[0] for one in found] == [
        "spec.set[0].field",
        "spec.variables.v",
        "spec.rules[0].assert",
    ]


def test_findings_stand_in_the_order_of_the_files(schema: Schema) -> None:
    found = lint(
        schema,
        params_text("z", a=1) + GOOD + waiver_text(expires="2025-01-01"),
        params_text("a", a=1),
        binding_text("c"),
    )
    places = [one.split(": ")[1] for one in found]
    assert places == ["a.yaml:5:3", "a.yaml:37:3", "b.yaml:5:3", "c.yaml:5:3"]
    assert all(one.startswith("warning: ") for one in found)


def test_a_create_without_a_binding_is_noted(schema: Schema) -> None:
    text = policy_text("request.image_id != ''", methods=[f"{SERVICE}/Get"]) + binding_text()
    assert lint(schema, text) == [f"note: bundle: {CREATE}: creates something, and no binding is about it"]


def test_creates_are_known_by_their_names_and_routes(schema: Schema) -> None:
    assert [name for name, method in schema.methods.items() if is_create(method)] == [CREATE]
    create, delete = schema.methods[CREATE], schema.methods[f"{SERVICE}/Delete"]
    assert is_create(replace(create, name="s/Make"))  # posted, and it gives an operation
    assert not is_create(replace(create, name="s/Make", operation=None))
    assert is_create(replace(delete, name="s/ImportThings"))
    assert not is_create(replace(create, is_read=True))
    assert not is_create(replace(delete, name="s/Uncreate"))
