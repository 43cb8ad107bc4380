from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.model import Binding, Policy
from gateway.policy.suite_model import Suite

POLICY: dict[str, Any] = {
    "apiVersion": "baremetal-gateway/v1",
    "kind": "Policy",
    "metadata": {"name": "p"},
    "spec": {"methods": ["*"], "rules": [{"name": "r", "assert": "true"}]},
}
BINDING: dict[str, Any] = {
    "apiVersion": "baremetal-gateway/v1",
    "kind": "Binding",
    "metadata": {"name": "b"},
    "spec": {"policy": "p"},
}

NAMES = [("a", True), ("a-b.c2", True), ("2", True)]
NAMES += [(text, False) for text in ("", "A", "a_b", "-a", "a-", ".a", "a b", "a\n", "а")]

VARIABLES = [("v", True), ("_v", True), ("V2", True), ("size", True), ("has", True)]
VARIABLES += [(text, False) for text in ("", "2v", "a-b", "a.b", "v\n", "request", "params", "method", "now")]
VARIABLES += [
    (text, False) for text in ("caller", "in", "true", "false", "null", "if", "for", "int", "string")
]
VARIABLES += [(text, False) for text in ("type", "dyn", "list", "map")]

PARAMETERS: list[tuple[Any, bool]] = [
    *((value, True) for value in ("", "a", 1, 1.5, True, False, [], {}, [[1]], {"a": [{"b": "c"}]})),
    *((value, True) for value in (2**63 - 1, -(2**63), float("inf"))),
    *((value, False) for value in (None, [None], {"a": None}, {"a": [{"b": None}]})),
    *((value, False) for value in (2**63, -(2**63) - 1, [2**64], {"a": 10**30})),
    *((value, False) for value in ("\0", "a\0b", ["a\0"], {"a": "\0"}, {"\0": "a"})),
]


def spec_of(**changes: Any) -> dict[str, Any]:
    return BINDING | {"spec": BINDING["spec"] | changes}


@pytest.mark.parametrize(
    ("name", "is_accepted"), [pytest.param(*row, id=str(number)) for number, row in enumerate(NAMES)]
)
def test_names(name: str, *, is_accepted: bool) -> None:
    document = POLICY | {"metadata": {"name": name}}
    if is_accepted:
        assert Policy.model_validate(document).metadata.name == name
    else:
        with pytest.raises(ValidationError):
            Policy.model_validate(document)


@pytest.mark.parametrize(
    ("name", "is_accepted"), [pytest.param(*row, id=str(number)) for number, row in enumerate(VARIABLES)]
)
def test_names_of_variables(name: str, *, is_accepted: bool) -> None:
    document = POLICY | {"spec": POLICY["spec"] | {"variables": {name: "true"}}}
    if is_accepted:
        assert Policy.model_validate(document).spec.variables == {name: "true"}
    else:
        with pytest.raises(ValidationError):
            Policy.model_validate(document)


@pytest.mark.parametrize(
    ("value", "is_accepted"), [pytest.param(*row, id=str(number)) for number, row in enumerate(PARAMETERS)]
)
def test_values_of_parameters(value: Any, *, is_accepted: bool) -> None:
    document = spec_of(params={"x": value})
    if is_accepted:
        assert Binding.model_validate(document).spec.params == {"x": value}
    else:
        with pytest.raises(ValidationError):
            Binding.model_validate(document)


@pytest.mark.parametrize("name", ["", "a-b", "2", "a.b", "in", "true", "false", "null"])
def test_names_of_parameters(name: str) -> None:
    with pytest.raises(ValidationError, match="CEL identifier"):
        Binding.model_validate(spec_of(params={name: 1}))


@pytest.mark.parametrize(("levels", "is_accepted"), [(7, True), (8, False), (60, False)])
@pytest.mark.parametrize("is_list", [True, False])
def test_parameters_are_not_deep(levels: int, *, is_list: bool, is_accepted: bool) -> None:
    value: Any = "a"
    for _ in range(levels):
        value = [value] if is_list else {"a": value}
    if is_accepted:
        Binding.model_validate(spec_of(params={"x": value}))
    else:
        with pytest.raises(ValidationError, match="at most 8 levels"):
            Binding.model_validate(spec_of(params={"x": value}))


@pytest.mark.parametrize(("length", "is_accepted"), [(0, False), (1, True), (4096, True), (4097, False)])
def test_expressions_are_bounded(length: int, *, is_accepted: bool) -> None:
    document = spec_of(when="a" * length)
    if is_accepted:
        Binding.model_validate(document)
    else:
        with pytest.raises(ValidationError):
            Binding.model_validate(document)


def test_a_binding_denies_unless_it_says_otherwise() -> None:
    assert Binding.model_validate(BINDING).spec.action == "deny"


@pytest.mark.parametrize("value", [True, 1, None, ["true"], {"a": "b"}])
def test_an_assertion_is_text(value: Any) -> None:
    document = POLICY | {"spec": {"methods": ["*"], "rules": [{"name": "r", "assert": value}]}}
    with pytest.raises(ValidationError):
        Policy.model_validate(document)


@pytest.mark.parametrize("part", ["methods", "rules"])
def test_a_policy_is_about_something(part: str) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(POLICY | {"spec": POLICY["spec"] | {part: []}})


@pytest.mark.parametrize("now", ["2026-01-01T00:00:00", "yesterday"])
def test_the_clock_of_a_case_has_a_zone(now: str) -> None:
    case = {"name": "c", "method": "m", "request": {}, "now": now, "expect": {"decision": "allow"}}
    document = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Tests",
        "metadata": {"name": "t"},
        "cases": [case],
    }
    with pytest.raises(ValidationError, match="now"):
        Suite.model_validate(document)


# A rule's assertion as YAML reads it → why it is refused.
ASSERTIONS: dict[str, tuple[Any, str]] = {
    "true": (True, "every request would meet it; write a condition, as 'request.name != \"\"'"),
    "false": (False, "to refuse every request put it in quotes, as 'false'"),
    "a number": (5, "an expression is text: put it in quotes, as '5'"),
    "a list": (["a"], "an expression is text: put one that starts with a bracket in quotes"),
    "nothing": (None, "an expression is expected; leave the key out to have none"),
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_an_assertion_that_is_no_text(name: str) -> None:
    value, reason = ASSERTIONS[name]
    document = POLICY | {"spec": POLICY["spec"] | {"rules": [{"name": "r", "assert": value}]}}
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(document)
    (error,) = caught.value.errors()
    assert error["msg"] == f"Value error, {reason}"


@pytest.mark.parametrize(("value", "word"), [(True, "true"), (1.5, "1.5")])
def test_a_condition_that_is_no_text(value: Any, word: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Binding.model_validate(spec_of(when=value))
    assert caught.value.errors()[0]["msg"].endswith(f"put it in quotes, as '{word}'")
