"""Calls of the gateway's functions, outside of the engine: memory, laziness, errors, and texts with NUL."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

from gateway.bundles import read_bundle
from gateway.call import Caller
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from tests.conftest import ROOT
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.schema import Schema
    from tests.policy.conftest import Decide

LINK = "https://storage.yandexcloud.net/golden-images/a.iso"
ROUNDS = 200
MOST_BLOCKS = ROUNDS
"""One for each evaluation; the engine keeps three and more of a single call of a Python function."""
MEASUREMENTS = 6
"""What an evaluation keeps is seen in each of them; what is made once, in one."""

FUNCTIONS = {
    "objectStorage": 'objectStorage({}).problem != ""',
    "matches": '{}.matches("^[a-z]")',
    "fullMatch": '{}.fullMatch("[a-z]+")',
    "glob": '{}.glob("*a*")',
    "inCidr": '{}.inCidr("10.0.0.0/8")',
    "inCidr, a list": '{}.inCidr(["10.0.0.0/8", "192.0.2.0/24"])',
    "isVersion": "{}.isVersion()",
    "compareVersion": '{}.compareVersion("1.0.0") > 0',
    "missing": "{{{}: {}}}.missing([{}]) == []",
    "unknown": "{{{}: {}}}.unknown([{}]) == []",
}
"""Function → a condition about a text."""


def call(name: str, text: str) -> str:
    condition = FUNCTIONS[name]
    return condition.format(*[text] * condition.replace("{{", "").replace("}}", "").count("{}"))


PLACES = {
    "a rule": lambda name: policy_text(call(name, "request.name")),
    "a variable": lambda name: policy_text("v", variables={"v": call(name, "request.name")}),
    "a message": lambda name: policy_text(
        {"assert": "false", "message": f"string({call(name, 'request.name')})"}
    ),
    "a loop": lambda name: policy_text(f"request.labels.all(key, {call(name, 'request.labels[key]')})"),
    "a loop in a loop": lambda name: policy_text(
        f"['x', ''].all(a, ['10.1.2.3', 'z'].all(b, {call(name, '(a + b)')}))"
    ),
}


@pytest.fixture(scope="module")
def frozen_memory() -> Iterator[None]:
    """Leave what exists out of collections, which take most of the time otherwise."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def grown_blocks(decider: Decider, policy_input: PolicyInput) -> int:
    """Return by how many blocks the memory grows at least in ROUNDS evaluations."""
    for _ in range(ROUNDS):  # what is made once
        decider.decide(policy_input)
    grown = MOST_BLOCKS
    for _ in range(MEASUREMENTS):
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(ROUNDS):
            decider.decide(policy_input)
        gc.collect()
        grown = min(grown, sys.getallocatedblocks() - before)
        if grown < MOST_BLOCKS:
            break
    return grown


@pytest.mark.usefixtures("frozen_memory")
@pytest.mark.parametrize("text", ["10.1.2.3", "no address"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_evaluation_keeps_memory(schema: Schema, name: str, place: str, text: str) -> None:
    files = BundleFiles({"bundle.yaml": PLACES[place](name) + binding_text()})
    decider = Decider(load_bundle(files, schema))
    request = schema.known[CREATE].request(name=text, labels={"a": text, "b": text})
    policy_input = PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW)
    assert grown_blocks(decider, policy_input) < MOST_BLOCKS


@pytest.mark.usefixtures("frozen_memory")
@pytest.mark.parametrize("uri", [LINK, "https://example.com/a?b=c"])
def test_the_bundle_that_ships_keeps_no_memory(schema: Schema, uri: str) -> None:
    labels = {"env": "prod", "owner": "infra", "cost-center": "cc-42"}
    request = schema.known[CREATE].request(folder_id="b1g", name="ubuntu-24-04", uri=uri, labels=labels)
    policy_input = PolicyInput(CREATE, request, Caller(address="127.0.0.1"), NOW)
    shipped = Decider(load_bundle(read_bundle(ROOT / "policies"), schema))
    assert shipped.decide(policy_input).is_allowed == (uri == LINK)
    assert grown_blocks(shipped, policy_input) < MOST_BLOCKS


TRUE = [
    # What fails is an error only where it is needed.
    "true || request.name.inCidr('x')",
    "request.name == 'n' || request.name.inCidr('10.0.0.0/8')",
    "!(false && request.labels['z'].matches('a'))",
    "request.labels.all(k, k != 'a' || request.labels[k].split('-')[1].matches('^y$'))",
    "request.labels.exists(k, request.labels[k].inCidr('10.0.0.0/8'))",
    # Of what a function returns, and of what another one is called with.
    "objectStorage(request.uri).key.glob('*.iso')",
    "request.labels.missing(['a', 'zz']).all(k, k.matches('^z'))",
    "['x', 'y'].all(p, objectStorage(request.uri + p).key.startsWith('a.iso' + p))",
    "['x'].all(p, objectStorage(request.uri + p).key.glob('*' + 'x'))",
    # Loops in loops, over what loops give, with two variables, and of two texts.
    "request.labels.all(a, ['a', 'b'].all(b, (a + b).matches('^[a-c]+$')))",
    "['1.0.0', '2.0.0'].all(v, ['0.1.0', '0.2.0'].all(w, v.compareVersion(w) > 0))",
    "request.labels.map(k, request.labels[k]).exists(v, v.glob('x-*'))",
    "request.labels.all(k, v, k.matches('^[a-c]$') && v.matches('.'))",
    "['a', 'b'].all(i, v, i < 2 && v.matches('[ab]'))",
    "[['a'], ['b', 'c']].all(list, list.all(one, one.matches('^[abc]$')))",
    "[request.labels].all(m, m.missing(['a']) == [] && m.unknown(['a', 'b']) == ['c'])",
    "[['10.0.0.0/8'], ['192.0.2.0/24']].exists(nets, '192.0.2.1'.inCidr(nets))",
    # A loop may name its element as anything.
    "['x'].all(request, request.matches('^x$'))",
    "['x'].all(a, ['y'].all(a, a.matches('^y$')))",
]


@pytest.mark.parametrize("text", TRUE)
def test_calls_have_the_values_of_cel(evaluate: Decide, text: str) -> None:
    labels = {"a": "x-y", "b": "10.0.0.1", "c": "."}
    fields: dict[str, Any] = {"name": "n", "uri": LINK, "labels": labels}
    assert evaluate(text, **fields).is_allowed, text
    assert not evaluate(f"!({text})", **fields).is_allowed, text


def test_turns_that_fail_are_bounded(evaluate: Decide, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {f"k{number}": "a-b" for number in range(10)} | {"odd": "none"}
    text = "request.labels.all(k, k == 'odd' || request.labels[k].split('-')[1].matches('b'))"
    assert evaluate(text, labels=labels).is_allowed
    monkeypatch.setattr("gateway.expressions.activation.MOST_TURNS", 5)
    (violation,) = evaluate(text, labels=labels).violations
    assert violation.is_error


def test_loops_with_one_and_two_variables_are_distinguished(evaluate: Decide) -> None:
    one = "['a', 'b'].all(x, string(x).matches('[ab01]'))"
    two = "['a', 'b'].all(i, v, string(i).matches('[ab01]'))"
    assert evaluate(f"{one} && {two}").is_allowed
    assert evaluate(f"{two} && {one}").is_allowed


FAILING = [
    ("request.name.inCidr('10.0.0.0/8')", "'n' does not appear to be an IPv4 or IPv6 address"),
    ("request.labels.all(k, k.inCidr('10.0.0.0/8'))", "does not appear to be an IPv4 or IPv6 address"),
    ("request.labels['z'].matches('a')", 'Key not found in map : "z"'),
    ("dyn(1).matches('a')", "No matching overloads found"),
]


@pytest.mark.parametrize(("text", "reason"), FAILING)
def test_a_failed_call_is_an_error_with_its_reason(evaluate: Decide, text: str, reason: str) -> None:
    (violation,) = evaluate(text, name="n", labels={"a": "b"}).violations
    assert violation.is_error
    assert reason in violation.message


def test_a_text_with_nul_is_read_to_its_end(evaluate: Decide) -> None:
    labels = {"a": "x\0y", "b": "x"}
    assert evaluate("request.labels.all(k, request.labels[k].matches('^x'))", labels=labels).is_allowed
    assert not evaluate("request.labels.all(k, request.labels[k].fullMatch('x'))", labels=labels).is_allowed
    assert evaluate(
        "request.labels.exists_one(k, request.labels[k].fullMatch('x'))", labels=labels
    ).is_allowed
    assert evaluate("['a\\x00b'].all(t, (t + '').glob('a*b'))").is_allowed


def test_elements_of_unknown_type_are_refused(refuse: Any) -> None:
    (fault,) = refuse(policy_text("dyn(request.labels).all(k, k.matches('a'))"), binding_text())
    assert "whose type is only known at evaluation" in fault
