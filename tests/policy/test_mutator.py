from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import FieldViolation
from gateway.policy import Decider, Decision, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from tests.policy.conftest import Decide, Load, MakeRequest, Refuse
from tests.policy.making import CREATE, NOW, SERVICE, UNKNOWN_CALLER, binding_text, policy_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

NOT_FOUND = 'NOT_FOUND: Key not found in map : "x"'


def setting(field: str, value: str, when: str | None = None) -> dict[str, str]:
    return {"field": field, "value": value} | ({"when": when} if when else {})


def made(decision: Decision) -> list[tuple[str, str, str, str]]:
    return [(one.name, one.field, one.before, one.after) for one in decision.mutations]


@pytest.fixture
def mutate(decide: Decide) -> Decide:
    """Decide by one policy of the settings given, bound once."""

    def mutate_now(*settings: dict[str, str], rules: tuple[str, ...] = (), **fields: Any) -> Decision:
        return decide(policy_text(*rules, set=list(settings)), binding_text(), **fields)

    return mutate_now


def test_fields_are_filled_in(mutate: Decide, make_request: MakeRequest) -> None:
    decision = mutate(
        setting("name", "'x'"),
        setting("description", "request.name + '!'"),
        setting('labels["a"]', "'b'", "!('a' in request.labels)"),
        setting('labels["c"]', "'d'", "!('c' in request.labels)"),
        name="n",
        labels={"c": "kept"},
    )
    assert decision.request == make_request(name="x", description="x!", labels={"a": "b", "c": "kept"})
    assert made(decision) == [
        ("set[0]", "name", '"n"', '"x"'),
        ("set[1]", "description", "not set", '"x!"'),
        ("set[2]", 'labels["a"]', "not set", '"b"'),
    ]
    assert {(one.policy, one.binding, one.is_made) for one in decision.mutations} == {("p", "b", True)}


def test_what_came_stays_as_it_was(load: Load, make_request: MakeRequest) -> None:
    request = make_request(name="n", labels={"a": "b"})
    before = request.SerializeToString(deterministic=True)
    settings = [setting("name", "'x'"), setting('labels["a"]', "'c'")]
    decision = Decider(load(policy_text(set=settings), binding_text())).decide(
        PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW)
    )
    assert request.SerializeToString(deterministic=True) == before
    assert decision.input.request is request
    assert decision.request is not request


@pytest.mark.parametrize(
    "one", [setting("name", "'n'"), setting("name", "'x'", "false"), setting("name", "request.name")]
)
def test_what_changes_nothing_is_no_mutation(
    load: Load, make_request: MakeRequest, one: dict[str, str]
) -> None:
    request = make_request(name="n")
    decider = Decider(load(policy_text(set=[one]), binding_text()))
    decision = decider.decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))
    assert decision.request is request
    assert decision.mutations == ()


def test_an_empty_text_in_a_map_is_a_change(mutate: Decide) -> None:
    decision = mutate(setting('labels["a"]', "''"))
    assert made(decision) == [("set[0]", 'labels["a"]', "not set", '""')]


def test_rules_see_what_is_filled_in(mutate: Decide) -> None:
    decision = mutate(setting("name", "'x'"), rules=("request.name == 'x'", "request.name == 'n'"), name="n")
    assert [one.rule for one in decision.violations] == ["r1"]


def test_each_setting_sees_what_the_earlier_ones_left(mutate: Decide) -> None:
    steps = [setting("name", f"request.name + '{letter}'") for letter in "abc"]
    decision = mutate(*steps, name="n")
    assert [one.after for one in decision.mutations] == ['"na"', '"nab"', '"nabc"']


def test_the_order_is_that_of_the_files_and_of_their_texts(schema: Schema, make_request: MakeRequest) -> None:
    policies = [policy_text(name=name, set=[setting("name", f"request.name + '{name}'")]) for name in "xyz"]
    files = {
        "2.yaml": "".join(reversed(policies)),
        "3.yaml": binding_text("z", "z"),
        "1.yaml": binding_text("y", "y") + binding_text("x", "x"),
    }
    for names in (list(files), sorted(files), sorted(files, reverse=True)):
        bundle = load_bundle(BundleFiles({name: files[name] for name in names}), schema)
        decision = Decider(bundle).decide(PolicyInput(CREATE, make_request(), UNKNOWN_CALLER, NOW))
        assert decision.request == make_request(name="yxz")


@pytest.mark.parametrize(("action", "is_made"), [("deny", True), ("warn", True), ("audit", False)])
def test_an_auditing_binding_only_reports(decide: Decide, action: str, *, is_made: bool) -> None:
    policy = policy_text("request.name == 'x'", set=[setting("name", "'x'"), setting("uri", "request.name")])
    decision = decide(policy, binding_text(action=action), name="n")
    assert [one.is_made for one in decision.mutations] == [is_made, is_made]
    assert decision.mutations[1].after == ('"x"' if is_made else '"n"')
    assert (decision.violations == ()) is is_made
    assert (decision.request is decision.input.request) is not is_made


def test_what_is_only_reported_is_not_in_the_input(decide: Decide) -> None:
    decision = decide(
        policy_text(set=[setting("name", "'told'")]),
        policy_text(name="q", set=[setting("description", "request.name")]),
        binding_text("a", "p", action="audit"),
        binding_text("b", "q"),
        name="n",
    )
    assert made(decision) == [
        ("set[0]", "name", '"n"', '"told"'),
        ("set[0]", "description", "not set", '"n"'),
    ]


@pytest.mark.parametrize("when", ["false", "request.name == 'other'"])
def test_a_binding_that_does_not_apply_sets_nothing(decide: Decide, when: str) -> None:
    decision = decide(policy_text(set=[setting("name", "'x'")]), binding_text(when=when), name="n")
    assert (decision.mutations, decision.violations) == ((), ())


def test_a_binding_in_doubt_sets_nothing_and_denies(decide: Decide) -> None:
    decision = decide(
        policy_text(set=[setting("name", "'x'")]), binding_text(when="request.labels['x'] == 'y'")
    )
    assert decision.mutations == ()
    assert [(one.rule, one.is_error) for one in decision.violations] == [("when", True)]


# A setting that fails → what is told.
FAILING: list[tuple[dict[str, str], str]] = [
    (setting("name", "request.labels['x']"), NOT_FOUND),
    (setting("name", "'x'", "request.labels['x'] == 'y'"), NOT_FOUND),
    (setting("name", "string(1 / 0)"), "INVALID_ARGUMENT: divide by zero"),
    (setting("name", "string(b'\\xff')"), ""),
]


@pytest.mark.parametrize(
    ("one", "reason"), [pytest.param(*row, id=str(number)) for number, row in enumerate(FAILING)]
)
def test_a_setting_that_fails_denies_and_stops_no_other(
    mutate: Decide, one: dict[str, str], reason: str
) -> None:
    decision = mutate(setting("description", "'a'"), one, setting("uri", "'b'"), rules=("false",), name="n")
    first, second = decision.violations
    assert (first.reason, first.binding, first.action, first.severity) == ("p/set[1]", "b", "deny", "high")
    assert (first.field, first.value, first.is_error) == ("name", "", True)
    assert first.message.startswith(f"the field cannot be set: {reason}")
    assert second.rule == "r0"
    assert [one.field for one in decision.mutations] == ["description", "uri"]
    assert not decision.is_allowed


def test_a_number_beyond_its_range_is_reported(schema: Schema) -> None:
    method = f"{SERVICE}/List"
    number = next(
        (field.name for field in schema.known[method].request.DESCRIPTOR.fields if field.name == "page_size"),
        None,
    )
    assert number is not None
    policy = policy_text(methods=[method], set=[setting(number, "9223372036854775807")])
    bundle = load_bundle(BundleFiles({"b": policy + binding_text()}), schema)
    request = schema.known[method].request()
    decision = Decider(bundle).decide(PolicyInput(method, request, UNKNOWN_CALLER, NOW))
    assert decision.is_allowed or decision.violations[0].message.startswith("the field cannot be set: ")
    assert decision.is_allowed == bool(decision.mutations)


def test_lists_are_set_whole(schema: Schema) -> None:
    method = f"{SERVICE}/Update"
    policy = policy_text(methods=[method], set=[setting("update_mask.paths", "['name', 'labels']")])
    bundle = load_bundle(BundleFiles({"b": policy + binding_text()}), schema)
    request = schema.known[method].request(update_mask={"paths": ["uri"]})
    decision = Decider(bundle).decide(PolicyInput(method, request, UNKNOWN_CALLER, NOW))
    assert made(decision) == [("set[0]", "update_mask.paths", '["uri"]', '["name", "labels"]')]
    assert decision.request == schema.known[method].request(update_mask={"paths": ["name", "labels"]})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no field": (setting("", "'x'"), "spec.set[0].field: the field to set is required"),
    "unknown field": (
        setting("nam", "'x'"),
        "spec.set[0].field: there is no field 'nam'; did you mean name?",
    ),
    "a map": (setting("labels", "{'a': 'b'}"), 'a map is set entry by entry, as labels["env"]'),
    "another type": (setting("name", "1"), "spec.set[0].value: gives INT, but has to give STRING"),
    "a condition of another type": (
        setting("name", "'x'", "request.name"),
        "spec.set[0].when: gives STRING, but has to give BOOL",
    ),
    "no value": ({"field": "name"}, "spec.set[0].value: is required"),
    "unknown key": (
        setting("name", "'x'") | {"vlaue": "1"},
        "spec.set[0].vlaue: unknown key; did you mean value? accepted here: field, value, when",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_are_checked_when_loaded(refuse: Refuse, name: str) -> None:
    one, message = REFUSED[name]
    (fault,) = refuse(policy_text("true", set=[one]), binding_text())
    assert message in fault


@pytest.mark.parametrize("value", ["request.uri", "request.description", "request.labels[request.uri]"])
def test_no_secret_is_reported(mutate: Decide, value: str) -> None:
    link = sign_link("https://user:pa55word@storage.yandexcloud.net/b/a.iso")
    decision = mutate(setting("name", value), setting("uri", "''"), uri=link, description=SIGNATURE)
    told = (
        repr(decision) + repr(decision.mutated_request) + repr(decision.mutations) + str(decision.violations)
    )
    assert SIGNATURE not in told
    assert "pa55word" not in told


def test_authors_are_named_in_faults_of_what_they_set(decide: Decide) -> None:
    policies = [policy_text(set=[setting("name", "'x'")]), policy_text(name="q", set=[setting("uri", "'y'")])]
    mutated = decide(*policies, binding_text("b"), binding_text("c", "q", action="audit")).mutated_request
    violations = [FieldViolation(field=field, description="bad", reason="r") for field in ("name", "uri")]
    assert [one.description for one in mutated.name_policies(violations)] == [
        "bad (the policy p set it)",
        "bad",
    ]


def test_a_mutation_takes_no_request_out_of_its_binding(load: Load, make_request: MakeRequest) -> None:
    bundle = load(
        policy_text(
            "request.uri == 'golden'",
            set=[{"field": 'labels["reviewed"]', "value": "'no'"}],
        ),
        binding_text(when="!('reviewed' in request.labels)"),
    )
    decision = Decider(bundle).decide(PolicyInput(CREATE, make_request(uri="evil"), UNKNOWN_CALLER, NOW))
    assert [one.rule for one in decision.violations] == ["r0"]
    assert not decision.is_allowed


def test_a_mutation_of_another_policy_takes_no_request_out_of_a_binding(
    load: Load, make_request: MakeRequest
) -> None:
    bundle = load(
        policy_text(set=[{"field": "name", "value": "'safe'"}], name="a"),
        policy_text("false", name="p"),
        binding_text("x", "a"),
        binding_text("b", when="request.name != 'safe'"),
    )
    decision = Decider(bundle).decide(PolicyInput(CREATE, make_request(name="n"), UNKNOWN_CALLER, NOW))
    assert [(one.binding, one.rule) for one in decision.violations] == [("b", "r0")]


def test_a_mutation_does_not_heal_a_condition_that_failed(load: Load, make_request: MakeRequest) -> None:
    bundle = load(
        policy_text("true", set=[{"field": 'labels["retention"]', "value": "'1y'"}], name="p"),
        policy_text(
            set=[
                {"field": 'labels["env"]', "value": "'prod'", "when": "!('env' in request.labels)"},
            ],
            name="q",
        ),
        binding_text("b", "p", when="request.labels['env'] == 'prod'"),
        binding_text("c", "q"),
    )
    decision = Decider(bundle).decide(PolicyInput(CREATE, make_request(name="n"), UNKNOWN_CALLER, NOW))
    assert [(one.binding, one.rule, one.is_error) for one in decision.violations] == [("b", "when", True)]
    assert not decision.is_allowed
