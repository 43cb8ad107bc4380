"""Calls of functions with values that are null, dynamic, out of range, or of hidden variables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from gateway.policy import Decider, Decision, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import Schema, load_schema
from tests.policy.making import NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from tests.policy.conftest import Decide, Refuse

METHOD = "odd.Things/Make"
PROTO = """
package odd;
import "google/api/annotations.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
message MakeRequest {
  map<int32, string> by_number = 1;
  map<uint32, string> by_size = 2;
  int64 number = 3;
  uint64 size = 4;
  google.protobuf.Struct facts = 5;
  google.protobuf.StringValue note = 6;
  map<string, google.protobuf.Value> values = 7;
  map<string, string> labels = 8;
  repeated int64 numbers = 9;
  repeated string texts = 10;
}
message MakeReply {}
service Things {
  rpc Make(MakeRequest) returns (MakeReply) { option (google.api.http) = { post: "/make" body: "*" }; }
}
"""
ROUNDS = 2000


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    """Return a schema whose messages have fields of unusual types."""
    return load_schema(["odd.Things"], {"odd": compile_text(tmp_path_factory.mktemp("odd"), PROTO)})


def decide_odd(schema: Schema, *rules: str, rounds: int = 1, spec: Any = None, **fields: Any) -> Decision:
    text = policy_text(*rules, **{**(spec or {}), "methods": [METHOD]}) + binding_text()
    decider = Decider(load_bundle(BundleFiles({"bundle.yaml": text}), schema))
    policy_input = PolicyInput(METHOD, schema.known[METHOD].request(**fields), UNKNOWN_CALLER, NOW)
    for _ in range(rounds - 1):
        decider.decide(policy_input)
    return decider.decide(policy_input)


OUT_OF_RANGE = [
    "request.by_number[request.number].matches('a')",
    "request.by_number[9999999999].matches('a')",
    "request.by_size[request.size].matches('a')",
    "request.numbers.all(n, request.by_number[n].matches('a'))",
]


@pytest.mark.parametrize("text", OUT_OF_RANGE)
def test_a_key_out_of_the_range_of_a_map_is_not_in_it(odd: Schema, text: str) -> None:
    fields: dict[str, Any] = {"number": 2**40, "size": 2**40, "numbers": [2**40], "by_number": {1: "a"}}
    (violation,) = decide_odd(odd, text, **fields).violations
    assert violation.is_error
    assert "not found in map" in violation.message


UNSIGNED = [
    "request.by_size.all(k, type(k) == uint && k + 1u > 1u)",
    "request.by_size.map(k, k + 1u) == [2u, 4294967296u]",
    "request.by_size.all(k, string(k + 0u).matches('^[0-9]+$'))",
    "request.by_size.all(k, request.by_size[k].matches('^[ab]$'))",
    "request.by_size.all(k, string(k + 0u).inCidr(['0.0.0.0/0']) || true)",
]


@pytest.mark.parametrize("text", UNSIGNED)
def test_unsigned_keys_stay_unsigned(odd: Schema, text: str) -> None:
    assert decide_odd(odd, text, by_size={1: "a", 2**32 - 1: "b"}).is_allowed


NULLS = [
    "request.facts.missing(['a', 'n']) == ['a', 'n']",
    "request.facts.unknown([]) == ['n']",
    "request.facts.all(k, k.matches('^n$'))",
    "request.facts.all(k, request.facts[k].matches('a') || true)",
    "request.values.all(k, k.matches('^n$') && request.values[k] == null)",
    "'10.0.0.1'.inCidr([request.note]) || true",
    "['10.0.0'].all(x, (x + '.1').inCidr([request.note]) || true)",
    "request.labels.missing(dyn(null)) == [] || true",
    "dyn({'a': null}).missing(['a']) == ['a']",
    "{'a': request.note}.all(k, k.matches('a'))",
]


@pytest.mark.parametrize("text", NULLS)
def test_null_is_never_released_more_often_than_taken(odd: Schema, text: str) -> None:
    fields: dict[str, Any] = {"facts": {"n": None}, "values": {"n": {"null_value": 0}}}
    before = sys.getrefcount(None)
    assert decide_odd(odd, text, rounds=ROUNDS, **fields).is_allowed
    assert sys.getrefcount(None) > before - ROUNDS // 2


def test_null_that_is_set_is_an_error(odd: Schema) -> None:
    spec = {"set": [{"field": "texts", "value": "[request.note]"}]}
    before = sys.getrefcount(None)
    assert decide_odd(odd, "true", rounds=ROUNDS, spec=spec).violations[0].is_error
    assert sys.getrefcount(None) > before - ROUNDS // 2


NO_TEXTS = [
    ("params.m.a.inCidr('0.0.0.0/8')", True),
    ("params.m.a.inCidr('0.0.0.0/8')", 1),
    ("'0.0.0.1'.inCidr(params.m.a)", 1),
    ("['0.0.0.1'].all(x, x.inCidr(params.m.a))", 1),
    ("request.labels.missing(params.m.a) == []", ""),
    ("request.labels.missing(dyn('')) == []", ""),
    ("params.m.a.unknown(['a']) == []", ["a"]),
    ("request.labels[params.m.a].matches('a')", True),
]


@pytest.mark.parametrize(("text", "value"), NO_TEXTS)
def test_a_dynamic_value_of_another_type_is_an_error(evaluate: Decide, text: str, value: object) -> None:
    rule = f"{text} && params.m.b == params.m.b"
    (violation,) = evaluate(rule, binding={"params": {"m": {"a": value, "b": {"c": 1}}}}).violations
    assert violation.is_error


def test_networks_of_dynamic_type_are_a_text_or_a_list(evaluate: Decide) -> None:
    params = {"m": {"one": "10.0.0.0/8", "all": ["192.0.2.0/24", "10.0.0.0/8"]}}
    rules = [
        "'10.0.0.1'.inCidr(params.m.one) && '10.0.0.1'.inCidr(params.m.all)",
        "['10.0.0'].all(x, (x + '.1').inCidr(params.m.all) && (x + '.1').inCidr(params.m.one))",
        "!'192.0.3.1'.inCidr(params.m.all)",
    ]
    assert not evaluate(*rules, binding={"params": params}).violations


DYNAMIC = [
    "['one'].all(x, '10.0.0.1'.inCidr(dyn(x)))",
    "['a'].all(x, dyn({'a': 0}).missing([x]) == [])",
]


@pytest.mark.parametrize("text", DYNAMIC)
def test_definitions_are_for_texts_only(refuse: Refuse, text: str) -> None:
    (fault,) = refuse(policy_text(text), binding_text())
    assert "whose type is only known at evaluation" in fault


STRICT = [
    "[['x'].filter(y, y == 'z')].all(none, !'no address'.inCidr(none))",
    "['a'].all(x, [{'a': x}][9].missing(['z'].filter(y, y == x)) == [])",
    "['a'].all(x, {'a': x}.filter(y, y != x).map(y, {y: y}) == [] && request.labels.unknown([[x][9]]) == [])",
]


@pytest.mark.parametrize("text", STRICT)
def test_an_argument_that_fails_is_an_error_beside_an_empty_one(evaluate: Decide, text: str) -> None:
    (violation,) = evaluate(text).violations
    assert violation.is_error


REDACTED = [
    "['a'].all(v, (w + v).matches('^nxa$'))",
    "[v].all(v, (w + v).matches('^nxn$'))",
    "[v].all(v, [w + v].all(w, (w + v).matches('^nxnn$')))",
    "['a'].all(v, (w + v).inCidr(['10.0.0.0/8']) || w == 'nx')",
]


@pytest.mark.parametrize("text", REDACTED)
def test_a_variable_may_need_one_that_a_loop_hides(evaluate: Decide, text: str) -> None:
    spec = {"variables": {"v": "request.name", "w": "v + 'x'"}}
    assert evaluate(text, spec=spec, name="n").is_allowed


def test_loops_with_one_and_two_variables_over_one_list_are_apart(evaluate: Decide) -> None:
    rules = ["['ab'].all(x, string(x).matches('.'))", "['ab'].all(i, x, string(i).matches('.'))"]
    assert not evaluate(*rules).violations


def test_all_calls_of_a_decision_share_what_failing_turns_may_take(evaluate: Decide) -> None:
    digits = "['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']"
    call = "(a + b + '{}').substring(b == '9' ? 200 : 0).matches('k')"
    text = f"request.labels.all(a, {digits}.exists(b, {call}))"
    labels = {f"k{index}": "" for index in range(64)}
    violations = evaluate(*[text.format(index) for index in range(12)], labels=labels).violations
    assert {one.rule for one in violations} == {f"r{index}" for index in range(6, 12)}
    assert all(one.is_error for one in violations)
