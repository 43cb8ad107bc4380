"""Runs the tests of a bundle: the same decider as in service, at a frozen time."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from google.protobuf import json_format

from gateway.policy.decider import Decider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.policy.bundle import Bundle
    from gateway.policy.decision import Decision, Violation
    from gateway.policy.model import Case, ExpectedViolation
    from gateway.schema import Schema

# What json_format raises on what does not fit; the last ones on a bad Any or an infinite enum.
_UNFIT = (json_format.ParseError, TypeError, ValueError, AttributeError, LookupError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of one case.

    Attributes:
        differences: between what was expected and what was decided, a line each; empty when it passed.
        broken: `<policy>/<rule>` of each rule that the request broke.
    """

    file: str
    case: str
    differences: tuple[str, ...]
    broken: frozenset[str]

    @property
    def has_passed(self) -> bool:
        """Whether the decision was the expected one."""
        return not self.differences


def run_suites(bundle: Bundle, schema: Schema) -> list[CaseResult]:
    """Run every case of every suite, in order."""
    decider = Decider(bundle)
    return [
        _run(file, case, decider, schema) for file, suite in bundle.suites.items() for case in suite.cases
    ]


def _run(file: str, case: Case, decider: Decider, schema: Schema) -> CaseResult:
    method = schema.known.get(case.method)
    if method is None:
        near = get_close_matches(case.method, schema.known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return _failed(file, case, f"{case.method!r} is no known method{hint}")
    try:
        request = json_format.ParseDict(case.request, method.request(), descriptor_pool=schema.pool)
    except _UNFIT as error:
        return _failed(file, case, f"the request does not fit {method.request.DESCRIPTOR.full_name}: {error}")
    decision = decider.decide(method.name, request, case.now)
    return CaseResult(
        file=file,
        case=case.name,
        differences=tuple(_differences(case, decision)),
        broken=frozenset(one.reason for one in decision.violations if not one.is_error),
    )


def _failed(file: str, case: Case, difference: str) -> CaseResult:
    return CaseResult(file=file, case=case.name, differences=(difference,), broken=frozenset())


def _differences(case: Case, decision: Decision) -> Iterator[str]:
    decided = "allow" if decision.is_allowed else "deny"
    if decided != case.expect.decision:
        yield f"decision: expected {case.expect.decision}, got {decided}"
    yield from _compare("violation", case.expect.violations, decision.by_action("deny"))
    yield from _compare("warning", case.expect.warnings, decision.by_action("warn"))
    yield from _compare("audit", case.expect.audits, decision.by_action("audit"))


def _compare(what: str, expected: list[ExpectedViolation], given: tuple[Violation, ...]) -> Iterator[str]:
    left = list(given)
    for one in expected:
        found = next((violation for violation in left if violation.reason == one.rule), None)
        if found is None:
            yield f"{what} {one.rule}: expected, but the rule was met"
            continue
        left.remove(found)
        if one.field is not None and one.field != found.field:
            yield f"{what} {one.rule}: expected the field {one.field!r}, got {found.field!r}"
        if one.message is not None and one.message != found.message:
            yield f"{what} {one.rule}: expected the message {one.message!r}, got {found.message!r}"
    for violation in left:
        yield f"{what} {violation.reason}: not expected: {violation.message}"
