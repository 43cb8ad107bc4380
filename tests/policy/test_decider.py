from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from gateway.bundles import read_bundle
from gateway.expressions import Activation, Executable
from gateway.policy import Decider, Decision, PolicyInput, load_bundle
from tests.conftest import ROOT
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.schema import Schema
    from tests.policy.conftest import Decide, Load, MakeRequest

ERROR = "request.labels['x'] == 'y'"


def asking(method: str, request: Message, now: datetime) -> PolicyInput:
    return PolicyInput(method, request, UNKNOWN_CALLER, now)


def broken(decision: Decision) -> list[str]:
    return [f"{one.rule}{'!' if one.is_error else ''}" for one in decision.violations]


def test_every_broken_rule_is_named(evaluate: Decide) -> None:
    decision = evaluate("false", "true", "false", ERROR, "true", "false")
    assert broken(decision) == ["r0", "r2", "r3!", "r5"]
    assert not decision.is_allowed


@pytest.mark.parametrize(
    ("action", "is_allowed"), [("deny", False), ("warn", True), ("audit", True), (None, False)]
)
def test_only_deny_denies(evaluate: Decide, action: str | None, *, is_allowed: bool) -> None:
    binding = {"action": action} if action else {}
    for rule in ("false", ERROR):
        decision = evaluate(rule, binding=binding)
        assert decision.is_allowed is is_allowed
        assert [one.action for one in decision.violations] == [action or "deny"]


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("true", ["r0", "r1!"]),
        ("request.name == 'n'", ["r0", "r1!"]),
        ("false", []),
        ("request.name == 'other'", []),
        (ERROR, ["when!", "r0", "r1!"]),
        ("1 / 0 == 1", ["when!", "r0", "r1!"]),
        (f"{ERROR} || true", ["r0", "r1!"]),
        (f"{ERROR} && false", []),
    ],
)
def test_a_binding_applies_unless_it_is_certain_that_it_does_not(
    evaluate: Decide, when: str, found: list[str]
) -> None:
    assert broken(evaluate("false", ERROR, binding={"when": when}, name="n")) == found


def test_a_condition_that_fails_denies_by_itself(evaluate: Decide) -> None:
    decision = evaluate("true", binding={"when": ERROR})
    assert broken(decision) == ["when!"]
    assert not decision.is_allowed
    assert "when cannot be evaluated: NOT_FOUND" in decision.violations[0].message


def test_variables_build_on_each_other(evaluate: Decide) -> None:
    variables = {"a": "request.name + 'x'", "b": "[a, a]", "c": "b.map(one, one + 'y')"}
    decision = evaluate(
        "a == 'nx'", "b.size() == 2", "c == ['nxy', 'nxy']", spec={"variables": variables}, name="n"
    )
    assert broken(decision) == []


def test_a_failed_variable_fails_the_rules_that_read_it(evaluate: Decide) -> None:
    variables = {
        "good": "request.name",
        "bad": "request.labels['x']",
        "worse": "bad + 'y'",
        "late": "good + 'z'",
    }
    rules = [
        "good == 'n'",
        "bad == 'y'",
        "worse == 'y'",
        "late == 'nz'",
        "late == 'other'",
        # A variable is found when it is needed: CEL's own rules for errors hold.
        "true || bad == 'y'",
        "bad == 'y' || true",
        "!(false && worse == 'y')",
    ]
    decision = evaluate(*rules, spec={"variables": variables}, name="n")
    assert broken(decision) == ["r1!", "r2!", "r4"]
    messages = {one.rule: one.message for one in decision.violations}
    assert "the rule cannot be evaluated: NOT_FOUND" in messages["r1"]
    assert "the rule cannot be evaluated: NOT_FOUND" in messages["r2"]


@pytest.mark.parametrize(
    ("variable", "rule"),
    [
        ("request.uri", "v.endsWith('.iso')"),
        ("[request.uri]", "v[0].endsWith('.iso')"),
        ("{request.uri: 1}", "v.all(key, key.endsWith('.iso'))"),
        ("request.labels", "v.a == 'b'"),
    ],
)
def test_a_variable_does_not_cut_a_text_short(evaluate: Decide, variable: str, rule: str) -> None:
    """The engine cuts texts at NUL when they come from without; a variable never leaves it."""
    uri = "https://storage.yandexcloud.net/golden-images/a.iso\0.img"
    decision = evaluate(rule, spec={"variables": {"v": variable}}, uri=uri, labels={"a": "b\0c"})
    assert broken(decision) == ["r0"]


def test_a_variable_may_be_called_as_a_function_or_a_loop_variable(evaluate: Decide) -> None:
    variables = {"size": "request.labels['x']", "k": "1"}
    decision = evaluate(
        "request.name.size() == 1", "[2].all(k, k == 2)", spec={"variables": variables}, name="n"
    )
    assert broken(decision) == []


def test_a_used_up_budget_hides_nothing(evaluate: Decide) -> None:
    ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    endless = f"{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, true))))"
    decision = evaluate(
        "false", endless, "false", spec={"variables": {"v": endless}}, binding={"when": endless}
    )
    assert broken(decision) == ["when!", "r0", "r1!", "r2"]


MESSAGES = [
    ({"message": "'say ' + request.name"}, "say n"),
    ({"message": "'say ' + request.name", "field": "name"}, 'say n; name is "n"'),
    ({"field": "name"}, "does not meet: request.name == 'x'; name is \"n\""),
    ({}, "does not meet: request.name == 'x'"),
    ({"message": "request.labels['x']"}, "does not meet: request.name == 'x'"),
    ({"message": "''"}, "does not meet: request.name == 'x'"),
    (
        {"message": "request.labels['x']", "field": "name"},
        "does not meet: request.name == 'x'; name is \"n\"",
    ),
    ({"message": "v"}, "does not meet: request.name == 'x'"),
    ({"message": "params.text"}, "of the binding"),
]


@pytest.mark.parametrize(
    ("rule", "message"), [pytest.param(*row, id=str(number)) for number, row in enumerate(MESSAGES)]
)
def test_says_what_is_wrong(evaluate: Decide, rule: dict[str, Any], message: str) -> None:
    rules = [{"assert": "request.name == 'x'", **rule}, {"assert": "params.text != ''"}]
    decision = evaluate(
        *rules,
        spec={"variables": {"v": "request.labels['x']"}},
        binding={"params": {"text": "of the binding"}},
        name="n",
    )
    (violation,) = decision.violations
    assert not violation.is_error  # a message that cannot be made does not change what was found
    assert violation.description == message
    assert violation.reason == "p/r0"
    assert (violation.policy, violation.binding, violation.field) == ("p", "b", rule.get("field", ""))


SECRET = "5ec4e7" * 10 + "0abc"
SIGNED = (
    "https://storage.yandexcloud.net/golden-images/a.img?X-Amz-Credential=YCAJEexample%2F20260101&"
    f"X-Amz-Signature={SECRET}&X-Amz-Date=20260101T000000Z"
)
PRINTS = [
    "request.uri",
    "'see ' + request.uri + ' there'",
    "'\"' + request.uri + '\"'",
    "request.uri.split('?')[1]",
    "request.uri.split('&')[1]",
    "request.uri.split('=')[2]",
    "request.uri.split('=')[2].split('&')[0]",
    "request.uri.substring(8)",
    "request.uri.substring(120)",
    "request.uri.substring(125, 175)",
    "request.uri.replace('https://', '')",
    "request.uri.replace('&', ' ')",
    "request.uri.replace('=', ': ')",
    "request.uri.upperAscii()",
    "'%s'.format([request.uri])",
    "request.uri.split('&').join('\\n')",
    "'code' + request.uri.split('=')[2]",
    "request.labels[request.uri]",
    "string(int(request.uri))",
    "request.description",
]


@pytest.mark.parametrize("message", PRINTS)
def test_no_message_shows_a_signature(evaluate: Decide, message: str) -> None:
    rules: list[dict[str, Any]] = [
        {"assert": "source.extension == 'iso'", "field": "uri", "message": message},
        {"assert": f"{message} == ''", "field": "uri"},
        {"assert": f"request.labels[{message}] == ''", "field": "description"},
        {"assert": f"v == {message} && false"},
    ]
    decision = evaluate(
        *rules,
        spec={"variables": {"source": "objectStorage(request.uri)", "v": f"request.labels[{message}]"}},
        binding={"when": f"request.labels[{message}] == ''"},
        uri=SIGNED,
        description=SIGNED,
    )
    assert len(decision.violations) == len(rules) + 1
    for violation in decision.violations:
        shown = violation.description.lower()
        assert not any(SECRET[start : start + 40] in shown for start in range(len(SECRET) - 39))
    assert SECRET not in str(decision).lower()
    assert SECRET not in repr(decision.to_error()).lower()


def test_a_message_is_cut_to_a_readable_length(evaluate: Decide) -> None:
    rule = {"assert": "false", "message": "request.description", "fix": "request.description"}
    (violation,) = evaluate(rule, description="x" * 1024).violations
    assert violation.message == violation.fix == "x" * 500 + "…"


def test_no_message_shows_user_info_or_a_query(evaluate: Decide) -> None:
    rules = [
        {"assert": "false", "message": "'see ' + request.uri"},
        {"assert": "request.labels[request.uri] == ''"},
    ]
    decision = evaluate(*rules, uri="https://user:pa55@storage.yandexcloud.net/b/a.iso?token=t0ken")
    assert [one.description for one in decision.violations] == [
        "see https://…@storage.yandexcloud.net/b/a.iso?…",
        (
            "the rule cannot be evaluated: NOT_FOUND: Key not found in map : "
            '"https://…@storage.yandexcloud.net/b/a.iso?…"'
        ),
    ]


def test_several_bindings_of_one_policy_are_all_evaluated(decide: Decide) -> None:
    policy = policy_text("request.name == params.name", variables={"unused": "request.uri"})
    bindings = [
        binding_text("one", params={"name": "a"}),
        binding_text("two", params={"name": "b"}, action="warn"),
        binding_text("three", params={"name": "c"}, action="audit"),
        binding_text("four", params={"name": "d"}, when="request.description == 'd'"),
    ]
    decision = decide(policy, *bindings, name="a")
    assert [(one.binding, one.action) for one in decision.violations] == [("two", "warn"), ("three", "audit")]
    assert decision.is_allowed
    assert not decide(policy, *bindings, name="b").is_allowed
    assert [one.binding for one in decide(policy, *bindings, name="c", description="d").violations] == [
        "one",
        "two",
        "four",
    ]


def test_names_of_several_policies_do_not_mix(decide: Decide) -> None:
    decision = decide(
        policy_text("v == 'a' && params.x == 1", name="one", variables={"v": "'a'"}),
        policy_text("v == 2 && params.x == 'b'", name="two", variables={"v": "2"}),
        binding_text("one", "one", params={"x": 1}),
        binding_text("two", "two", params={"x": "b"}),
    )
    assert broken(decision) == []


def test_a_method_without_policy_is_allowed_and_says_so(load: Load, schema: Schema) -> None:
    decider = Decider(load(policy_text("false"), binding_text()))
    method = schema.known[f"{SERVICE}/Get"]
    decision = decider.decide(asking(method.name, method.request(), NOW))
    assert decision.is_allowed
    assert not decision.is_evaluated


def test_a_method_is_evaluated_even_when_no_binding_applies(evaluate: Decide) -> None:
    decision = evaluate("false", binding={"when": "false"})
    assert decision.is_allowed
    assert decision.is_evaluated


@pytest.mark.parametrize(
    "pattern", [[f"{SERVICE}/Create"], [f"{SERVICE}/*"], ["*/Create", "*"], ["*", CREATE]]
)
def test_a_rule_is_evaluated_once_however_often_the_method_is_named(
    evaluate: Decide, pattern: list[str]
) -> None:
    decision = evaluate("false", spec={"methods": pattern})
    assert broken(decision) == ["r0"]


def test_rules_know_the_method(evaluate: Decide) -> None:
    assert evaluate(f"method == '{CREATE}'").is_allowed


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2027, 1, 1, 2, 59, 59, tzinfo=timezone(timedelta(hours=3))),
    ],
)
def test_rules_see_the_time_that_they_are_given(load: Load, make_request: MakeRequest, now: datetime) -> None:
    text = policy_text("now < timestamp('2027-01-01T00:00:00Z')", variables={"v": "now"})
    decider = Decider(load(text, binding_text()))
    assert decider.decide(asking(CREATE, make_request(), now)).is_allowed
    assert not decider.decide(asking(CREATE, make_request(), now + timedelta(seconds=1))).is_allowed


def test_a_request_of_another_type_is_denied(load: Load, schema: Schema) -> None:
    decider = Decider(load(policy_text("request.uri == ''"), binding_text()))
    decision = decider.decide(asking(CREATE, schema.known[f"{SERVICE}/Get"].request(), NOW))
    assert broken(decision) == ["r0!"]


def test_a_decision_leaves_the_request_alone(load: Load, make_request: MakeRequest) -> None:
    request = make_request(name="n", labels={"a": "b"})
    before = request.SerializeToString(deterministic=True)
    text = policy_text("request.labels['a'] == 'c'", variables={"v": "request"})
    Decider(load(text, binding_text())).decide(asking(CREATE, request, NOW))
    assert request.SerializeToString(deterministic=True) == before


@pytest.fixture
def default(schema: Schema) -> Decider:
    return Decider(load_bundle(read_bundle(ROOT / "policies"), schema))


def requests(make_request: MakeRequest) -> list[Message]:
    labels = {"env": "prod", "owner": "infra", "cost-center": "cc-42"}
    uris = ["https://storage.yandexcloud.net/golden-images/a.iso", "http://evil.example.com/a.iso", SIGNED]
    names = ["ubuntu-24-04", "a" * 60]
    kept: list[dict[str, str]] = [labels, {}, labels | {"env": "x"}]
    return [make_request(name=name, uri=uri, labels=one) for name in names for uri in uris for one in kept]


def test_threads_decide_as_one_does(default: Decider, make_request: MakeRequest) -> None:
    cases = requests(make_request)
    expected = [default.decide(asking(CREATE, request, NOW)).violations for request in cases]
    assert len(set(expected)) > 5

    def decide_all(thread: int) -> list[Decision]:
        order = cases[thread:] + cases[:thread]
        return [default.decide(asking(CREATE, request, NOW)) for _ in range(20) for request in order]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decide_all, range(8)))
    for thread, decisions in enumerate(results):
        order = expected[thread:] + expected[:thread]
        assert [one.violations for one in decisions] == order * 20
    ids = [one.id for decisions in results for one in decisions]
    assert len(ids) == len(set(ids)) == 8 * 20 * len(cases)


def test_a_decision_names_its_bundle(default: Decider, make_request: MakeRequest) -> None:
    decision = default.decide(asking(CREATE, make_request(), NOW))
    assert decision.bundle == default.bundle.hash
    assert decision.method == CREATE
    assert decision.duration_ns > 0


def test_every_expression_is_evaluated_before_the_first_call(
    default: Decider, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: set[Executable] = set()
    evaluate = Executable.evaluate

    def record(executable: Executable, activation: Activation) -> Any:
        evaluated.add(executable)
        return evaluate(executable, activation)

    monkeypatch.setattr(Executable, "evaluate", record)
    default.warm_up(schema)
    programs = default.bundle.programs.values()
    assert evaluated == {one for program in programs for each in program.bindings for one in each.executables}
