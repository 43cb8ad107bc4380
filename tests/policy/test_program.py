from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.call import Caller
from gateway.policy import PolicyInput
from tests.policy.conftest import Load, MakeRequest
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.policy.program import Program

CALLER = Caller(
    id="me", kind="jwt", groups=("a", "b"), address="192.0.2.1", claims={"iss": "https://id.example"}
)


def is_true(program: Program, policy_input: PolicyInput, **further: Any) -> bool:
    (binding,) = program.bindings
    (rule,) = binding.rules
    return rule.assertion.is_true(program.activate(policy_input, further))


FACTS = [
    "caller.id == 'me'",
    "caller.kind == 'jwt'",
    "'b' in caller.groups && caller.groups.size() == 2",
    "caller.address.inCidr('192.0.2.0/24')",
    "caller.claims['iss'] == 'https://id.example'",
    "caller.claims.size() == 1",
    "!('sub' in caller.claims)",
]


@pytest.mark.parametrize("fact", FACTS)
def test_rules_know_the_caller(load: Load, make_request: MakeRequest, fact: str) -> None:
    program = load(policy_text(fact), binding_text()).programs[CREATE]
    assert is_true(program, PolicyInput(CREATE, make_request(), CALLER, NOW))


@pytest.mark.parametrize(
    "fact",
    ["caller.id == ''", "caller.kind == 'none'", "caller.groups.size() == 0", "caller.claims.size() == 0"],
)
def test_an_unknown_caller_is_nobody(load: Load, make_request: MakeRequest, fact: str) -> None:
    program = load(policy_text(fact), binding_text()).programs[CREATE]
    assert is_true(program, PolicyInput(CREATE, make_request(), UNKNOWN_CALLER, NOW))


READS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    ({"assert": "caller.id == ''"}, {}, None),
    ({"assert": "true", "message": "caller.id"}, {}, None),
    ({"assert": "true", "fix": "caller.id"}, {}, None),
    ({"assert": "true"}, {"variables": {"v": "caller.id"}}, None),
    ({"assert": "true"}, {"set": [{"field": "name", "value": "caller.id"}]}, None),
    ({"assert": "true"}, {"set": [{"field": "name", "value": "'x'", "when": "caller.id == ''"}]}, None),
    ({"assert": "true"}, {"binding": {"when": "caller.id == ''"}}, None),
    ({"assert": "true"}, {}, {"when": "caller.id == ''"}),
]


@pytest.mark.parametrize(
    ("rule", "spec", "waiver"), [pytest.param(*row, id=str(number)) for number, row in enumerate(READS)]
)
def test_knows_wherever_something_is_read(
    load: Load,
    make_request: MakeRequest,
    rule: dict[str, Any],
    spec: dict[str, Any],
    waiver: dict[str, Any] | None,
) -> None:
    own = {key: value for key, value in spec.items() if key != "binding"}
    waivers = [waiver_text(**waiver)] if waiver else []
    program = load(policy_text(rule, **own), binding_text(**spec.get("binding", {})), *waivers).programs[
        CREATE
    ]
    (binding,) = program.bindings
    assert "caller" in binding.reads
    program.activate(PolicyInput(CREATE, make_request(), CALLER, NOW))
    assert program.mutating == ((binding,) if "set" in own else ())


def test_what_a_rule_reads(load: Load) -> None:
    variables = {"v": "request.uri"}
    rule = {"assert": "v == params.a", "message": "params.b", "fix": "method"}
    policy = policy_text(rule, variables=variables)
    (binding,) = load(policy, binding_text(params={"a": "x", "b": "y"})).programs[CREATE].bindings
    assert binding.rules[0].reads == {"v", "params.a", "params.b", "method"}
    assert binding.reads == {"v", "params.a", "params.b", "method", "request"}


def test_further_values_go_before(load: Load, make_request: MakeRequest) -> None:
    program = load(policy_text("method == 'x'"), binding_text()).programs[CREATE]
    policy_input = PolicyInput(CREATE, make_request(), UNKNOWN_CALLER, NOW)
    assert not is_true(program, policy_input)
    assert is_true(program, policy_input, method="x")


def test_no_repr_holds_the_request(load: Load, make_request: MakeRequest) -> None:
    program = load(policy_text("true"), binding_text(), waiver_text()).programs[CREATE]
    link = sign_link("https://storage.yandexcloud.net/b/a.iso")
    policy_input = PolicyInput(CREATE, make_request(uri=link), UNKNOWN_CALLER, NOW)
    assert SIGNATURE not in repr(policy_input)
    assert SIGNATURE not in repr(program.bindings)
    assert repr(policy_input) == f"PolicyInput(method={CREATE!r}, now={NOW!r})"
