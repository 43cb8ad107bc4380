"""What would take a gateway's time or memory is refused when it is loaded, or takes little of both."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import Config
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import load_schema
from tests.conftest import ROOT
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.processes import without_coverage

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.schema import Schema
    from tests.policy.conftest import Decide, Refuse

MOST_CPU_S = 2.0
MOST_MB = 200
TOO_LONG, TOO_LARGE = "takes too long", "makes texts too large"
LABELS = "request.labels"
CHARACTERS = "request.uri.split('')"


def looped(body: str, *over: str) -> str:
    """Put a condition into loops; their elements are e0 (the outermost), e1, …"""
    for index in reversed(range(len(over))):
        body = f"{over[index]}.all(e{index}, {body})"
    return body


def chain(first: str, step: str, count: int) -> dict[str, str]:
    """Make variables v0, v1, …, each from the one before, which the step calls `v`."""
    names = {f"v{index}": step.replace("v", f"v{index - 1}") for index in range(1, count + 1)}
    return {"v0": first, **names}


REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "three loops": (looped("e0 != e1 + e2", *[LABELS] * 3), {}, TOO_LONG),
    "two loops with splits": (looped(f"{CHARACTERS} == {CHARACTERS}", LABELS, LABELS), {}, TOO_LONG),
    "two loops with a join": (looped("p.join('/') != ''", LABELS, LABELS), {"p": CHARACTERS}, TOO_LONG),
    "two loops that search": (looped("!request.uri.contains(e0 + e1)", LABELS, LABELS), {}, TOO_LONG),
    "two loops that compare": (looped("request.labels == request.labels", LABELS, LABELS), {}, TOO_LONG),
    "a loop in a loop over parts": (looped("e0 in request.uri.split('')", CHARACTERS), {}, TOO_LONG),
    "parts of parts": (looped("e1 != ''", CHARACTERS, "e0.split('')", "e1.split('')"), {}, TOO_LONG),
    "gathered again and again": (f"{CHARACTERS}.map(c, c).map(c, c).map(c, c) != []", {}, TOO_LONG),
    "gathered in a list": ("[p].all(x, x.map(c, c) != [])", {"p": f"{CHARACTERS} + {CHARACTERS}"}, TOO_LONG),
    "one text searched for another": ("!v8.contains(v7 + 'b')", chain("request.uri", "v + v", 8), TOO_LONG),
    "a large text read in loops": (
        looped("v9.size() > 0", LABELS, LABELS), chain("request.uri", "v + v", 9), TOO_LONG),
    "doubled texts": ("v40 != ''", chain("request.uri", "v + v", 40), TOO_LARGE),
    "doubled lists": ("v40 != []", chain(CHARACTERS, "v + v", 40), TOO_LARGE),
    "doubled by a loop": ("v40.size() > 0", chain("[request.uri]", "v.map(x, x + x)", 40), TOO_LARGE),
    "doubled by replacing": ("v40 != ''", chain("request.uri", "v.replace('a', 'aa')", 40), TOO_LARGE),
    "doubled by joining": ("v40 != ''", chain("request.uri", "v.split('').join('aa')", 40), ""),
    "doubled by quoting": ("v40 != ''", chain("request.uri", "strings.quote(v)", 40), TOO_LARGE),
    "doubled in hexadecimal": ("v40 != ''", chain("request.uri", "'%x'.format([v])", 40), TOO_LARGE),
    "replaced at every place": (
        "request.uri.replace('', request.uri).replace('a', request.uri) != ''", {}, TOO_LONG),
    "a computed map read again and again": (
        (f"{{'a': [{', '.join(['request.uri'] * 60)}]}}"
        f".transformList(k, v, [{', '.join(['v.size()'] * 300)}]) != []"),
        {}, "becomes too large"),
    "arguments copied at each level": (
        f"[['a']].all(e, {'request.labels.missing(' * 20}e{')' * 20} == [])", {}, "becomes too large"),
    "a table for each pair of turns": (
        looped("objectStorage(e0 + e1).problem != ''", LABELS, LABELS), {}, TOO_LONG),
    "too deep": ("(" * 100 + "true" + ")" * 100, {}, "recursion"),
    "a long sum": (" + ".join(["'a'"] * 500) + " != ''", {}, "recursion"),
    "too long": (f"'{'a' * 5000}' != ''", {}, "at most 4096 characters"),
}  # fmt: skip

BOUNDED: dict[str, tuple[str, dict[str, str]]] = {
    "a pattern that makes others backtrack": ("!request.description.matches('(a+)+$')", {}),
    "nested quantifiers": ("!request.description.matches('^(([a-z]+)*)*[0-9]$')", {}),
    "quantifiers side by side": ("!request.uri.matches('a*a*a*a*a*a*a*a*a*a*b$')", {}),
    "a pattern of many states": (
        looped("!request.uri.matches('(([ab]?){300})c')", LABELS), {}),
    "a long glob": (f"!request.uri.glob('{'*a' * 50}/b')", {}),
    "a used-up budget": (looped("true", *["[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"] * 4), {}),
    "two loops": (looped("e0 == e1 || request.labels[e0] != '-'", LABELS, LABELS), {}),
    "two loops with calls": (looped("objectStorage(e0).bucket == ''", LABELS, LABELS), {}),
    "gathered once": (f"{CHARACTERS}.map(c, c) != []", {}),
    "gathered large": (f"{CHARACTERS}.map(c, request.uri + c) != []", {}),
    "doubled a few times": ("v10 != ''", chain("request.uri", "v + v", 10)),
    "doubled lists a few times": ("!('b' in v3)", chain(CHARACTERS, "v + v", 3)),
    "a failed variable in loops": (
        looped("v == e0 || true", LABELS, LABELS), {"v": f"{CHARACTERS}[5000]"}),
}  # fmt: skip


def make_largest_request(schema: Schema) -> Message:
    """A request as large as the constraints of Create allow."""
    labels = {f"{index:02}".rjust(63, "k"): "v" * 63 for index in range(64)}
    return schema.known[CREATE].request(uri="a" * 1024, description="a" * 1023 + "!", labels=labels)


def measure(names: list[str]) -> None:
    """Decide by each of the expressions; print the seconds of CPU and the growth in MB of each."""
    schema = load_schema(Config().services)
    request = make_largest_request(schema)
    figures = {}
    for name in names:
        rule, variables = BOUNDED[name] if name in BOUNDED else SLOW[name]
        text = policy_text(rule, variables=variables) + binding_text()
        decider = Decider(load_bundle(BundleFiles({"bundle.yaml": text}), schema))
        memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        decider.decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))
        used_s = time.process_time() - started
        figures[name] = used_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    print(json.dumps(figures))  # noqa: T201  # how the other process hears of it


def measure_apart(names: list[str]) -> dict[str, tuple[float, float]]:
    """Measure in a process of its own, whose memory nothing else has grown."""
    code = f"from tests.policy.test_bombs import measure; measure({names!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=without_coverage(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, tuple[float, float]] = json.loads(done.stdout)
    return figures


@pytest.fixture(scope="module")
def figures() -> dict[str, tuple[float, float]]:
    return measure_apart(list(BOUNDED))


@pytest.mark.parametrize("name", REFUSED)
def test_a_bomb_is_refused(refuse: Refuse, name: str) -> None:
    rule, variables, reason = REFUSED[name]
    started = time.process_time()
    faults = refuse(policy_text(rule, variables=variables), binding_text())
    assert reason in faults[0]
    assert time.process_time() - started < MOST_CPU_S


@pytest.mark.parametrize("name", BOUNDED)
def test_a_bomb_takes_little(figures: dict[str, tuple[float, float]], name: str) -> None:
    used_s, grown_mb = figures[name]
    assert used_s < MOST_CPU_S
    assert grown_mb < MOST_MB


SLOW: dict[str, tuple[str, dict[str, str]]] = {
    "many states in loops": (
        looped("!request.uri.matches('(([ab]?){500})c')", LABELS, "[0, 1, 2, 3]"),
        {},
    )
}


def test_a_pattern_of_many_states_keeps_them() -> None:
    ((used_s, _),) = measure_apart(list(SLOW)).values()
    assert used_s < MOST_CPU_S / 4


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|aa)+$", "(.*a){20}", "([a-zA-Z]+)*$", "(x+x+)+y"])
def test_a_long_text_takes_linear_time(evaluate: Decide, pattern: str) -> None:
    started = time.process_time()
    evaluate(f"!request.uri.matches('{pattern}')", uri="a" * 20_000 + "!")
    assert time.process_time() - started < MOST_CPU_S


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", "(a)\\\\1", "(?P=n)", "(?>a)"])
def test_what_needs_backtracking_is_refused(refuse: Refuse, pattern: str) -> None:
    (fault,) = refuse(policy_text(f"request.uri.matches('{pattern}')"), binding_text())
    assert "not an RE2 pattern" in fault


@pytest.mark.parametrize("pattern", ["a{1001}", "((a{100}){100}){100}", "(" * 2000 + ")" * 2000])
def test_a_pattern_that_grows_is_refused(refuse: Refuse, pattern: str) -> None:
    (fault,) = refuse(policy_text(f"request.uri.matches('{pattern}')"), binding_text())
    assert "pattern" in fault


def with_parameter(text: str) -> list[str]:
    """Documents of a bundle whose binding has a parameter `p`, written in YAML."""
    binding = "---\napiVersion: baremetal-gateway/v1\nkind: Binding\nmetadata: {name: b}\n"
    return [policy_text("params.p != 'a'"), f"{binding}spec:\n  policy: p\n  params:\n    p: {text}\n"]


LAUGHS = "[" + ", ".join(
    ["&a [x, x, x, x, x, x, x, x, x, x]"]
    + [f"&{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in zip("abcdef", "bcdefg", strict=True)]
) + "]"  # fmt: skip

PARAMETERS = {
    "deep": ("[" * 20 + "]" * 20, "nested at most 8 levels"),
    "very deep": ("[" * 50_000 + "]" * 50_000, "too large"),
    "a list in itself": ("&a [*a]", "too large"),
    "a map in itself": ("&a {b: {c: *a}}", "too large"),
    "aliases of aliases": (LAUGHS, "too large"),
    "NUL": ('"a\\0b"', "NUL character"),
    "NUL in a key": ('{"a\\0b": 1}', "NUL character"),
    "NUL in a list": ('[["a\\0"]]', "NUL character"),
    "a large number": ("99999999999999999999", "at most 64 bits"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_that_the_engine_does_not_bear_is_refused(refuse: Refuse, name: str) -> None:
    text, reason = PARAMETERS[name]
    started = time.process_time()
    faults = refuse(*with_parameter(text))
    assert any(reason in fault for fault in faults)
    assert time.process_time() - started < MOST_CPU_S * 5


def test_a_large_parameter_is_estimated(refuse: Refuse) -> None:
    binding: dict[str, Any] = {"params": {"p": ["a" * 50_000] * 50}}
    (fault,) = refuse(policy_text("request.uri in params.p"), binding_text(**binding))
    assert TOO_LARGE in fault
