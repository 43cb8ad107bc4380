"""A bundle in force has no state: any number of calls decide as one does, while others are loaded."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.call import Caller
from gateway.policy import Decider, Decision, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from tests.policy.making import CREATE, NOW, binding_text, policy_text
from tests.rounds import rounds

if TYPE_CHECKING:
    from gateway.schema import Schema

THREADS = 8
CALLS = rounds(80, long=200)
LOADS = rounds(10, long=50)

VARIABLES = {
    "parts": "request.uri.split('/')",
    "file": "parts[parts.size() - 1]",
    "link": "objectStorage(request.uri)",
}
RULES: list[str | dict[str, Any]] = [
    {
        "assert": "link.bucket in params.buckets",
        "field": "uri",
        "message": "link.bucket + ' is not of ' + params.buckets.join(', ')",
        "fix": "'use ' + params.buckets[0]",
    },
    {"assert": "file.matches('^[a-z0-9.-]+[.]iso$')", "field": "uri", "message": "file"},
    {"assert": "request.labels['owner'] != ''", "field": 'labels["owner"]'},
    "request.labels.all(key, key.matches('^[a-z]') && request.labels[key].size() <= params.limit)",
    "caller.id != '' && caller.groups.exists(group, group in params.groups)",
]
SETTINGS = [
    {"field": 'labels["managed-by"]', "value": "'gateway of ' + caller.id", "when": "caller.id != ''"},
    {"field": "description", "value": "'image ' + request.name", "when": "request.description == ''"},
]


def document(kind: str, name: str, spec: dict[str, Any]) -> str:
    value = {"apiVersion": "baremetal-gateway/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return "---\n" + yaml.safe_dump(value, sort_keys=False)


def waiver(name: str, rules: list[str], expires: str, when: str) -> str:
    spec = {
        "binding": "deny",
        "rules": rules,
        "when": when,
        "owner": "o",
        "ticket": "T-1",
        "expires": expires,
    }
    return document("Waiver", name, spec)


FILES = BundleFiles({
    "bundle.yaml": "".join([
        document("Params", "shared", {"buckets": ["golden", "silver"], "groups": ["ops"], "limit": 12}),
        policy_text(*RULES, variables=VARIABLES, set=SETTINGS),
        binding_text("deny", paramsFrom=["shared"], when="!request.name.startsWith('free')"),
        binding_text("warn", paramsFrom=["shared"], action="warn", params={"limit": 3}),
        binding_text("audit", paramsFrom=["shared"], action="audit", when="request.labels['env'] == 'prod'"),
        waiver("now", ["r0", "r1"], "2027-01-01", "request.labels.exists(key, key == 'waived')"),
        waiver("past", ["r2", "r3"], "2025-01-01", "true"),
    ])
})  # fmt: skip


def make_questions(schema: Schema) -> list[PolicyInput]:
    """Questions that differ in all that the bundle reads."""
    make = schema.known[CREATE].request
    questions = []
    for index in range(CALLS):
        labels = {"owner": f"o{index}" * (index % 5)} if index % 3 else {}
        labels |= {"env": ("prod", "dev")[index % 2]} if index % 7 else {}
        labels |= {"waived": "yes"} if index % 4 == 0 else {}
        bucket, kind = ("golden", "other")[index % 2], ("iso", "img")[index % 3 > 1]
        request = make(
            name=f"{('free', 'image')[index % 5 > 0]}-{index}",
            uri=f"https://storage.yandexcloud.net/{bucket}/{index}.{kind}",
            description="" if index % 6 else f"d{index}",
            labels=labels,
        )
        caller = Caller(id=f"c{index}" if index % 8 else "", kind="jwt", groups=("ops",) * (index % 2))
        questions.append(PolicyInput(CREATE, request, caller, NOW))
    return questions


def essence(decision: Decision) -> tuple[Any, ...]:
    """Return all of a decision that is not of the one call."""
    return (
        decision.outcome,
        decision.violations,
        decision.waived,
        decision.mutations,
        decision.request.SerializeToString(deterministic=True),
        decision.input.request.SerializeToString(deterministic=True),
        decision.warnings(),
    )


@pytest.fixture
def decider(schema: Schema) -> Decider:
    return Decider(load_bundle(FILES, schema))


@pytest.fixture
def questions(schema: Schema) -> list[PolicyInput]:
    return make_questions(schema)


@pytest.fixture
def expected(decider: Decider, questions: list[PolicyInput]) -> list[tuple[Any, ...]]:
    """What each question comes to, one after another."""
    return [essence(decider.decide(question)) for question in questions]


def test_the_questions_show_all_that_a_decision_can_be(
    decider: Decider, questions: list[PolicyInput], expected: list[tuple[Any, ...]]
) -> None:
    decisions = [decider.decide(question) for question in questions]
    assert {one.outcome for one in decisions} == {"allow", "deny"}
    assert {violation.action for one in decisions for violation in one.violations} == {
        "deny",
        "warn",
        "audit",
    }
    assert {violation.is_error for one in decisions for violation in one.violations} == {True, False}
    assert {name for one in decisions for name in one.waivers} == {"now"}
    assert {change.name for one in decisions for change in one.mutations} == {"set[0]", "set[1]"}
    assert len(set(map(repr, expected))) > CALLS / 2
    assert len({one.id for one in decisions}) == CALLS


def test_threads_decide_as_one_does(
    decider: Decider, questions: list[PolicyInput], expected: list[tuple[Any, ...]]
) -> None:
    def decide_all(start: int) -> list[tuple[Any, ...]]:
        order = [*range(start, CALLS), *range(start)]  # each thread is elsewhere
        found = {index: essence(decider.decide(questions[index])) for index in order}
        return [found[index] for index in range(CALLS)]

    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(decide_all, range(0, CALLS, CALLS // THREADS)):
            assert found == expected


async def test_concurrent_calls_decide_as_one_does(
    decider: Decider, questions: list[PolicyInput], expected: list[tuple[Any, ...]]
) -> None:
    async def decide(question: PolicyInput) -> tuple[Any, ...]:
        mutated = decider.mutate(question)
        await asyncio.sleep(0)  # other calls come between
        return essence(decider.evaluate(mutated))

    assert await asyncio.gather(*map(decide, questions)) == expected


def test_loading_bundles_disturbs_no_decision(
    schema: Schema, decider: Decider, questions: list[PolicyInput], expected: list[tuple[Any, ...]]
) -> None:
    def load_often() -> set[str]:
        return {load_bundle(FILES, schema).hash for _ in range(LOADS)}

    with ThreadPoolExecutor(THREADS) as pool:
        loading = pool.submit(load_often)
        rounds = 0
        while not loading.done() or rounds == 0:
            some = slice(rounds % 10, None, 10)
            found = list(pool.map(lambda one: essence(decider.decide(one)), questions[some]))
            assert found == expected[some]
            rounds += 1
        assert loading.result() == {decider.bundle.hash}


def test_a_bundle_just_loaded_decides_alike_in_every_thread(
    schema: Schema, questions: list[PolicyInput], expected: list[tuple[Any, ...]]
) -> None:
    def load_and_decide(_: int) -> list[tuple[Any, ...]]:
        fresh = Decider(load_bundle(FILES, schema))
        return [essence(fresh.decide(question)) for question in questions]

    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(load_and_decide, range(THREADS)):
            assert found == expected
