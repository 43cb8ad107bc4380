from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from gateway.call import Caller
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import Explanation, explain, explanation_to_json
from gateway.policy_tools.explain import BindingTrace, RuleTrace, _show, show_time, to_json_value
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

LOOKUP = "request.labels['x'] == 'y'"
NOT_FOUND = 'NOT_FOUND: Key not found in map : "x"'
PROBLEM = "the link is empty or has a character that links do not have; percent-encode the key"


def tell(schema: Schema, *documents: str, caller: Caller = UNKNOWN_CALLER, **fields: Any) -> Explanation:
    bundle = load_bundle(BundleFiles({"b.yaml": "".join(documents)}), schema)
    policy_input = PolicyInput(CREATE, schema.known[CREATE].request(**fields), caller, NOW)
    return explain(Decider(bundle), policy_input, schema)


def rule_of(schema: Schema, rule: str, **fields: Any) -> RuleTrace:
    variables = {"v": "request.name + '!'"}
    policy = policy_text(rule, variables=variables)
    return tell(schema, policy, binding_text(), **fields).bindings[0].rules[0]


def parts(trace: RuleTrace) -> list[tuple[int, str, str]]:
    return [(one.depth, one.text, one.value) for one in trace.parts]


# An assertion → its parts with their values, for a request named "n".
PARTS: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    "a comparison": (
        "request.name == 'n'",
        [(0, 'request.name == "n"', "true"), (1, "request.name", '"n"')],
    ),
    "both sides": (
        "request.name == request.uri + 'n'",
        [
            (0, 'request.name == request.uri + "n"', "true"),
            (1, "request.name", '"n"'),
            (1, 'request.uri + "n"', '"n"'),
            (2, "request.uri", '""'),
        ],
    ),
    "a part that stands twice": (
        "request.name == 'a' || request.name == 'n'",
        [
            (0, 'request.name == "a" || request.name == "n"', "true"),
            (1, 'request.name == "a"', "false"),
            (2, "request.name", '"n"'),
            (1, 'request.name == "n"', "true"),
        ],
    ),
    "what stands at the head": (
        "v == 'n!' && method != '' && now != timestamp(0)",
        [
            (0, 'v == "n!" && method != "" && now != timestamp(0)', "true"),
            (1, 'v == "n!" && method != ""', "true"),
            (2, 'v == "n!"', "true"),
            (2, 'method != ""', "true"),
            (1, "now != timestamp(0)", "true"),
            (2, "timestamp(0)", '"1970-01-01T00:00:00Z"'),
        ],
    ),
    "an error that does not matter": (
        f"'x' in request.labels && {LOOKUP}",
        [
            (0, '"x" in request.labels && request.labels["x"] == "y"', "false"),
            (1, '"x" in request.labels', "false"),
            (2, "request.labels", "{}"),
            (1, 'request.labels["x"] == "y"', f"not needed (error: {NOT_FOUND})"),
            (2, 'request.labels["x"]', f"not needed (error: {NOT_FOUND})"),
        ],
    ),
    "an error that matters": (
        LOOKUP,
        [
            (0, 'request.labels["x"] == "y"', f"error: {NOT_FOUND}"),
            (1, 'request.labels["x"]', f"error: {NOT_FOUND}"),
            (2, "request.labels", "{}"),
        ],
    ),
    "a loop": (
        "[request.name].all(one, one == v)",
        [
            (0, "[request.name].all(one, one == v)", "false"),
            (1, "[request.name]", '["n"]'),
            (2, "request.name", '"n"'),
        ],
    ),
    "a message": (
        "objectStorage(request.uri).bucket == ''",
        [
            (0, 'objectStorage(request.uri).bucket == ""', "true"),
            (1, "objectStorage(request.uri).bucket", '""'),
            (
                2,
                "objectStorage(request.uri)",
                f'{{"problem": "{PROBLEM}"}}',
            ),
            (3, "request.uri", '""'),
        ],
    ),
    "a pattern": (
        "request.name.matches('^n$')",
        [(0, 'request.name.matches("^n$")', "true"), (1, "request.name", '"n"')],
    ),
    "a condition within": (
        "request.name == 'n' ? true : 1 / 0 == 1",
        [
            (0, 'request.name == "n" ? true : 1 / 0 == 1', "true"),
            (1, 'request.name == "n"', "true"),
            (2, "request.name", '"n"'),
            (1, "1 / 0 == 1", "not needed (error: INVALID_ARGUMENT: divide by zero)"),
            (2, "1 / 0", "not needed (error: INVALID_ARGUMENT: divide by zero)"),
        ],
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_shows_each_part_with_its_value(schema: Schema, name: str) -> None:
    rule, expected = PARTS[name]
    assert parts(rule_of(schema, rule, name="n")) == expected


@pytest.mark.parametrize(
    ("rule", "outcome", "told"),
    [
        ("true", "met", ""),
        ("false", "broken", "does not meet: false"),
        (LOOKUP, "error", f"the rule cannot be evaluated: {NOT_FOUND}"),
    ],
)
def test_reports_how_a_rule_came_out(schema: Schema, rule: str, outcome: str, told: str) -> None:
    trace = rule_of(schema, rule)
    assert (trace.outcome, trace.description) == (outcome, told)


def binding_of(schema: Schema, *documents: str, **fields: Any) -> BindingTrace:
    (binding,) = tell(schema, *documents, **fields).bindings
    return binding


def test_reports_why_a_waiver_is_used_or_not(schema: Schema) -> None:
    waivers = [
        waiver_text("other-rule", rules=["r1"]),
        waiver_text("expired", expires="2026-01-01"),
        waiver_text("not-meant", when="request.name == 'x'"),
        waiver_text("failing", when=LOOKUP),
        waiver_text("used", when="request.name == 'n'"),
        waiver_text("spare", expires="2027-01-01T00:00:00+03:00"),
    ]
    binding = binding_of(schema, policy_text("false", "true"), binding_text(), *waivers, name="n")
    first, second = binding.rules
    assert (first.outcome, second.outcome) == ("waived", "met")
    assert first.waivers == {
        "expired": "expired at 2026-01-01T00:00:00Z; ask infra@example.com (OPS-1412)",
        "not-meant": "does not apply: its when is false",
        "failing": f"does not apply: its when cannot be evaluated: {NOT_FOUND}",
        "used": "applies; infra@example.com (OPS-1412), until 2026-12-31T00:00:00Z",
        "spare": "applies; infra@example.com (OPS-1412), until 2027-01-01T00:00:00+03:00",
    }
    assert list(second.waivers) == ["other-rule"]


@pytest.mark.parametrize(
    ("when", "applies", "value"),
    [
        ("request.name == 'n'", True, "true"),
        ("request.name != 'n'", False, "false"),
        (LOOKUP, True, f"error: {NOT_FOUND}"),
    ],
)
def test_reports_whether_a_binding_applies(schema: Schema, when: str, value: str, *, applies: bool) -> None:
    binding = binding_of(schema, policy_text("true"), binding_text(when=when), name="n")
    assert (binding.applies, binding.when[0].value) == (applies, value)
    assert binding.rules[0].outcome == ("met" if applies else "not evaluated")


def test_shows_variables_with_what_they_are_made_of(schema: Schema) -> None:
    variables = {"a": "request.name", "b": "a + '!'", "c": "request.labels['x']", "d": "c + '!'", "e": "[b]"}
    binding = binding_of(schema, policy_text("true", variables=variables), binding_text(), name="n")
    assert [(one.text, one.value) for one in binding.variables] == [
        ("a = request.name", '"n"'),
        ("b = a + '!'", '"n!"'),
        ("c = request.labels['x']", f"error: {NOT_FOUND}"),
        ("d = c + '!'", f"error: {NOT_FOUND}"),
        ("e = [b]", '["n!"]'),
    ]


def test_a_rule_that_needs_a_failed_variable_says_why(schema: Schema) -> None:
    policy = policy_text("c == 'y'", variables={"c": "request.labels['x']"})
    (rule,) = binding_of(schema, policy, binding_text()).rules
    assert rule.outcome == "error"
    assert NOT_FOUND in rule.description


def test_shows_callers_and_parameters(schema: Schema) -> None:
    policy = policy_text("caller.id in params.ids")
    trace = tell(schema, policy, binding_text(params={"ids": ["a"]}), caller=Caller(id="me"))
    assert parts(trace.bindings[0].rules[0]) == [
        (0, "caller.id in params.ids", "false"),
        (1, "caller.id", '"me"'),
        (1, "params.ids", '["a"]'),
    ]


def test_reports_what_was_set(schema: Schema) -> None:
    settings = [
        {"field": "name", "value": "'x'"},
        {"field": "description", "value": "'x'", "when": "request.name == 'n'"},
        {"field": 'labels["k"]', "value": "request.labels['x']"},
    ]
    policy = policy_text("request.name == 'x'", set=settings)
    for action, outcome, met in (("deny", "set", "met"), ("audit", "would be set", "broken")):
        binding = binding_of(schema, policy, binding_text(action=action), name="n")
        first, second, third = binding.mutations
        assert (first.field, first.outcome, first.description) == ("name", outcome, '"n" → "x"')
        assert second.outcome == ("left as it was" if action == "deny" else "would be set")
        assert (third.outcome, third.description) == ("error", f"the field cannot be set: {NOT_FOUND}")
        assert binding.rules[0].outcome == met


def test_bindings_are_distinguished(schema: Schema) -> None:
    bindings = [
        binding_text("b", params={"a": "n"}),
        binding_text("c", params={"a": "x"}, action="warn"),
        binding_text("d", params={"a": "y"}, when="false"),
    ]
    explanation = tell(schema, policy_text("request.name == params.a"), *bindings, name="n")
    told = [(one.name, one.action, one.applies, one.rules[0].outcome) for one in explanation.bindings]
    assert told == [
        ("b", "deny", True, "met"),
        ("c", "warn", True, "broken"),
        ("d", "deny", False, "not evaluated"),
    ]
    assert [one.rules[0].parts[-1].value for one in explanation.bindings] == ['"n"', '"x"', '"y"']


def test_a_method_without_a_binding(schema: Schema) -> None:
    bundle = load_bundle(BundleFiles({"b": policy_text("false") + binding_text()}), schema)
    method = f"{SERVICE}/Get"
    policy_input = PolicyInput(method, schema.known[method].request(), UNKNOWN_CALLER, NOW)
    explanation = explain(Decider(bundle), policy_input, schema)
    assert explanation.bindings == ()
    assert explanation.decision.is_allowed


SECRET: list[tuple[str, dict[str, Any]]] = [
    ("request.uri != ''", {"uri": sign_link("https://storage.yandexcloud.net/b/a.iso")}),
    ("request.uri == ''", {"uri": "https://user:pa55word@storage.yandexcloud.net/b/a.iso"}),
    ("request.labels[request.uri] == ''", {"uri": sign_link("https://storage.yandexcloud.net/b/a.iso")}),
    ("request.labels[request.name] == ''", {"name": SIGNATURE}),
    ("request.uri.split('=').size() == 0", {"uri": sign_link("https://storage.yandexcloud.net/b/a.iso")}),
    ("[request].all(one, one.uri == '')", {"uri": sign_link("https://storage.yandexcloud.net/b/a.iso")}),
    ("request.labels.all(k, k == '')", {"labels": {SIGNATURE: "Bearer pa55word.pa55word"}}),
]


@pytest.mark.parametrize(
    ("rule", "fields"), [pytest.param(*row, id=str(number)) for number, row in enumerate(SECRET)]
)
def test_no_secret_is_shown(schema: Schema, rule: str, fields: dict[str, Any]) -> None:
    settings = [{"field": "description", "value": "request.uri + request.name"}]
    policy = policy_text(
        {"assert": rule, "message": "request.uri + request.name"},
        set=settings,
        variables={"v": "request.uri + request.name"},
    )
    waiver = waiver_text(when="request.labels[request.uri + request.name] == ''")
    explanation = tell(schema, policy, binding_text(when=f"{rule} || true"), waiver, **fields)
    for text in (repr(explanation), str(explanation_to_json(explanation))):
        assert SIGNATURE not in text
        assert "pa55word" not in text


def test_long_values_are_cut(schema: Schema) -> None:
    trace = rule_of(schema, "request.name == ''", name="n" * 1000)
    assert trace.parts[1].value == '"' + "n" * 199 + "…"


VALUES: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    (1, "1"),
    (1.5, "1.5"),
    ("é\n", '"é\\n"'),
    (b"\xff", "\"b'\\\\xff'\""),
    ([1, [None]], "[1, [null]]"),
    ({1: "a", "b": 2}, '{"1": "a", "b": 2}'),
    ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, '{"a": "2026-01-01T00:00:00Z"}'),
    (timedelta(seconds=90), '"90s"'),
    (timedelta(days=30, microseconds=500_000), '"2592000.5s"'),
    (timedelta(0), '"0s"'),
    (timedelta(seconds=-1.5), '"-1.5s"'),
    (type, "\"<class 'type'>\""),
]


@pytest.mark.parametrize(
    ("value", "text"), [pytest.param(*row, id=str(number)) for number, row in enumerate(VALUES)]
)
def test_values_of_every_kind(schema: Schema, value: Any, text: str) -> None:
    assert _show(value, schema.pool) == text


def test_a_message_that_json_has_no_form_for(schema: Schema) -> None:
    unknown = AnyMessage(type_url="type.googleapis.com/no.such.Type", value=b"x")
    assert _show(unknown, schema.pool) == '"a google.protobuf.Any that JSON has no form for"'


def test_times_are_written_with_their_zone() -> None:
    assert show_time(NOW) == "2026-01-01T00:00:00Z"
    assert show_time(NOW.astimezone(timezone(timedelta(hours=3)))) == "2026-01-01T03:00:00+03:00"


def test_maps_are_shown_in_the_order_of_their_keys(schema: Schema) -> None:
    labels = dict.fromkeys(("b", "a", "d", "c", "f", "e"), "x")
    request = schema.known[CREATE].request(labels=labels)
    assert list(to_json_value(labels, schema.pool)) == sorted(labels)
    assert list(to_json_value(request, schema.pool)["labels"]) == sorted(labels)
