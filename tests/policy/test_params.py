"""Parameters of bindings, and Params: values that several bindings share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.policy import Decider, PolicyInput
from tests.policy.conftest import Decide, Load, MakeRequest, Refuse
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.policy import Bundle


def params_text(name: Any = "shared", **values: Any) -> str:
    document = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Params",
        "metadata": {"name": name},
        "spec": values,
    }
    return "---\n" + yaml.safe_dump(document, sort_keys=False, width=10_000)


def broken(bundle: Bundle, make_request: MakeRequest, **fields: Any) -> list[str]:
    policy_input = PolicyInput(CREATE, make_request(**fields), UNKNOWN_CALLER, NOW)
    return [f"{one.binding}/{one.rule}" for one in Decider(bundle).decide(policy_input).violations]


RULE = "params.a == {}"

# paramsFrom and params of the binding, over the Params one (a: 1) and two (a: 2, b: 2) → a.
PRECEDENCE: list[tuple[dict[str, Any], int]] = [
    ({"paramsFrom": ["one"]}, 1),
    ({"paramsFrom": ["two"]}, 2),
    ({"paramsFrom": ["one", "two"]}, 2),
    ({"paramsFrom": ["two", "one"]}, 1),
    ({"paramsFrom": ["one", "two"], "params": {"a": 3}}, 3),
    ({"params": {"a": 3}}, 3),
]


@pytest.mark.parametrize(
    ("spec", "value"), [pytest.param(*row, id=str(number)) for number, row in enumerate(PRECEDENCE)]
)
def test_a_later_one_goes_before_an_earlier_and_the_binding_before_all(
    load: Load, make_request: MakeRequest, spec: dict[str, Any], value: int
) -> None:
    shared = [params_text("one", a=1), params_text("two", a=2, b=2)]
    bundle = load(policy_text(RULE.format(value)), binding_text(**spec), *shared)
    assert broken(bundle, make_request) == []
    bundle = load(policy_text(RULE.format(value + 1)), binding_text(**spec), *shared)
    assert broken(bundle, make_request) == ["b/r0"]


def test_each_binding_has_its_own_values(load: Load, make_request: MakeRequest) -> None:
    """They share an activation: the names of one never stand for the values of another."""
    bundle = load(
        policy_text("request.name == params.name && v == params.name", variables={"v": "params.name"}),
        *(binding_text(name, params={"name": name}) for name in ("x", "y", "z")),
    )
    assert broken(bundle, make_request, name="y") == ["x/r0", "z/r0"]


def test_each_binding_has_its_own_types(load: Load, make_request: MakeRequest) -> None:
    bundle = load(
        policy_text("size(params.value) == 1"),
        binding_text("text", params={"value": "a"}),
        binding_text("list", params={"value": ["a"]}),
        binding_text("map", params={"value": {"a": "b", "c": "d"}}),
    )
    assert broken(bundle, make_request) == ["map/r0"]


def test_patterns_may_be_shared(load: Load, make_request: MakeRequest) -> None:
    bundle = load(
        policy_text("request.name.fullMatch(params.pattern)"),
        binding_text("shared", paramsFrom=["shared"]),
        binding_text("own", params={"pattern": "b+"}),
        params_text(pattern="a+"),
    )
    assert broken(bundle, make_request, name="aa") == ["own/r0"]


FAULTS: dict[str, tuple[list[str], str]] = {
    "unknown": (
        [binding_text(paramsFrom=["share"]), params_text(a=1)],
        "spec.paramsFrom[0]: there are no Params 'share'; did you mean shared?",
    ),
    "missing": (
        [binding_text(paramsFrom=["shared"]), params_text(aa=1)],
        "spec.rules[0].assert: the binding b gives no parameter 'a'; did you mean aa?",
    ),
    "type": (
        [binding_text(paramsFrom=["shared"]), params_text(a="1")],
        "found no matching overload for '_==_' applied to '(string, int)'; compare values of one type",
    ),
    "null": (
        [binding_text(paramsFrom=["shared"]), params_text(a=None)],
        "spec.a: null: a parameter cannot be null",
    ),
    "name": (
        [binding_text(paramsFrom=["shared"]), params_text(**{"a": 1, "b-c": 1})],
        "the name of a parameter is a CEL identifier",
    ),
    "nothing": (
        [binding_text(params={"a": 1}), params_text()],
        "spec: dictionary should have at least 1 item",
    ),
    "twice": (
        [binding_text(paramsFrom=["shared"]), params_text(a=1), params_text(a=2)],
        "metadata.name: 'shared' is defined at bundle.yaml:",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_names_faults_with_their_places(refuse: Refuse, name: str) -> None:
    documents, message = FAULTS[name]
    faults = refuse(policy_text("params.a == 1"), *documents)
    assert any(message in fault for fault in faults), faults
    assert all(fault.startswith("bundle.yaml:") for fault in faults)


def test_shared_values_need_not_be_read_by_every_policy(load: Load, make_request: MakeRequest) -> None:
    bundle = load(policy_text("params.a == 1"), binding_text(paramsFrom=["shared"]), params_text(a=1, b=2))
    assert broken(bundle, make_request) == []


def test_a_value_read_by_nothing_but_a_waiver_is_read(load: Load) -> None:
    waiver = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Waiver",
        "metadata": {"name": "w"},
        "spec": {
            "binding": "b",
            "rules": ["r0"],
            "when": "request.name in params.names",
            "owner": "o",
            "ticket": "t",
            "expires": "2026-12-31",
        },
    }
    load(policy_text("false"), binding_text(params={"names": ["a"]}), "---\n" + yaml.safe_dump(waiver))


def test_parameters_are_those_of_the_binding(decide: Decide) -> None:
    decision = decide(
        policy_text("request.name in params.names"),
        binding_text("first", params={"names": ["a", "b"]}),
        binding_text("second", params={"names": ["b", "c"]}),
        name="a",
    )
    assert [one.binding for one in decision.violations] == ["second"]
    assert not decision.is_allowed


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"x": ["a", 1, {"b": [True]}]}, "params.x[2].b[0] == true"),
        ({"x": {"a": {"b": "c"}}}, "params.x.a.b == 'c'"),
        ({"x": 2**63 - 1}, "params.x == 9223372036854775807"),
        ({"x": -(2**63)}, "params.x < -9223372036854775807"),
        ({"x": 1.5}, "params.x > 1.0"),
        ({"x": True}, "params.x"),
        ({"x": []}, "!('a' in params.x)"),
        ({"x": {}}, "!('a' in params.x)"),
        ({"x": "💿"}, "params.x.size() == 1"),
        ({"size": "a", "if": "b"}, "params.size == 'a' && params.if == 'b'"),
    ],
)
def test_parameters_keep_their_values(evaluate: Decide, params: dict[str, Any], rule: str) -> None:
    assert evaluate(rule, binding={"params": params}).violations == ()
