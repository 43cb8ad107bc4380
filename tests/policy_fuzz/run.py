"""The differential run: the gateway's decisions beside the oracle's, and that beside the Rust engine."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from gateway.faults import FaultsError
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import Schema
from tests.policy.making import CREATE, NOW
from tests.policy_fuzz.case import (
    Binding,
    Verdict,
    caller_of,
    documents_of,
    expect,
    make_bindings,
    make_requests,
)
from tests.policy_fuzz.oracle import Outcome, Request, outcome_of
from tests.policy_fuzz.rust import Reader
from tests.policy_fuzz.tree import Tree

REQUESTS = 40
"""Requests that one bundle evaluates."""

_TOO_MUCH = ("takes too long", "makes texts too large", "recursion", "too long together")


@dataclass(frozen=True, slots=True)
class Difference:
    """Two that do not agree.

    Attributes:
        bindings: of the bundle.
        request: that was evaluated.
        expected: what the oracle says.
        found: what the gateway says, or the Rust engine of one expression.
        what: which of them differ.
    """

    bindings: tuple[Binding, ...]
    request: Request
    expected: str
    found: str
    what: str


@dataclass(slots=True)
class Report:
    """What a run found.

    Attributes:
        pairs: of a bundle and a request.
        bundles: loaded.
        refused: bundles that could have taken too much.
        rules: how often a rule came to what.
        outcomes: how often a pair came to what.
        second: expressions on which the Rust engine was asked.
        explained: how often it differed, by why.
        differences: that nothing explains.
        seconds: that the run took.
    """

    pairs: int = 0
    bundles: int = 0
    refused: int = 0
    rules: Counter[Outcome] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    second: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    seconds: float = 0.0

    def share(self, outcome: Outcome) -> float:
        """Return which part of the rules came to an outcome."""
        return self.rules[outcome] / max(self.rules.total(), 1)


class Decides(Protocol):
    """Decides on a request by the bundle that it was made for."""

    def __call__(self, request: Request) -> Verdict: ...


def run(schema: Schema, seed: int, pairs: int) -> Report:
    """Compare so many pairs, or as many as it takes to find a difference."""
    started = time.monotonic()
    random, report = Random(seed), Report()  # noqa: S311  # the same each time, for the same seed
    while report.pairs < pairs and not report.differences:
        _run_bundle(schema, random, report)
    report.seconds = time.monotonic() - started
    return report


def _run_bundle(schema: Schema, random: Random, report: Report) -> None:
    bindings = make_bindings(random)
    requests = list(make_requests(random, REQUESTS))
    try:
        decide = prepare(schema, bindings)
    except FaultsError as error:
        report.refused += 1
        if not all(any(one in str(fault) for one in _TOO_MUCH) for fault in error.faults):
            report.differences.append(
                Difference(bindings, requests[0], "the bundle loads", str(error), "loading")
            )
        return
    report.bundles += 1
    readers = {binding.name: Reader(binding) for binding in bindings}
    for request in requests:
        report.pairs += 1
        _compare(bindings, request, decide, report)
        for binding in bindings:
            _ask_again(readers[binding.name], binding, request, report)
        if report.differences:  # the bundle's next request would show the same
            return


def prepare(schema: Schema, bindings: tuple[Binding, ...]) -> Decides:
    """Load a bundle."""
    decider = Decider(load_bundle(BundleFiles({"bundle.yaml": documents_of(bindings)}), schema))
    make_message = schema.known[CREATE].request

    def decide(request: Request) -> Verdict:
        message = make_message(**request.fields, labels=request.labels)
        decision = decider.decide(PolicyInput(CREATE, message, caller_of(request), NOW))
        broken = [(one.binding, one.rule, one.is_error) for one in decision.violations]
        if len(set(broken)) < len(broken):
            raise AssertionError(f"a rule is named twice: {broken}")
        return Verdict(frozenset(broken), decision.outcome)

    return decide


def _compare(bindings: tuple[Binding, ...], request: Request, decide: Decides, report: Report) -> None:
    expected, found = expect(bindings, request), decide(request)
    report.rules.update(expected.rules)
    report.outcomes[expected.outcome] += 1
    if (expected.broken, expected.outcome) != (found.broken, found.outcome):
        report.differences.append(Difference(bindings, request, show(expected), show(found), "the decision"))


def show(verdict: Verdict) -> str:
    """Write a verdict: a rule that is an error bears a '!'."""
    broken = [
        f"{binding}/{rule}{'!' if is_error else ''}" for binding, rule, is_error in sorted(verdict.broken)
    ]
    return f"{verdict.outcome}: {', '.join(broken) or 'nothing broken'}"


def _ask_again(reader: Reader, binding: Binding, request: Request, report: Report) -> None:
    """Ask the Rust engine what the oracle was asked."""
    context, world = reader.context(request), binding.world(request)
    trees: list[Tree] = [*binding.policy.rules.values(), *([binding.when] if binding.when else [])]
    for tree in trees:
        found = reader.outcome_of(tree, context)
        if found is None:
            continue
        report.second += 1
        expected = outcome_of(tree, world)
        if found == expected:
            continue
        if why := reader.explain(tree, request, found):
            report.explained[why] += 1
        else:
            alone = replace(binding, when=None, policy=replace(binding.policy, rules={"r0": tree}))
            report.differences.append(Difference((alone,), request, expected, found, "the Rust engine"))
            return
