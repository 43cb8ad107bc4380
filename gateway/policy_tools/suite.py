"""Runs the tests of a bundle.

The tests use the same decider as the gateway in service. The time of the request is fixed in each test case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.policy.decider import Decider
from gateway.policy.requests import RequestError, read_request
from gateway.policy_tools.suite_names import SuiteNames
from gateway.policy_tools.validity import find_refused_mutations
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.policy.bundle import Bundle
    from gateway.policy.decision import Decision, Violation
    from gateway.policy.suite_model import Case, ExpectedMutation, ExpectedViolation
    from gateway.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The result of one test case.

    Attributes:
        file: the name of the file that contains the test case.
        case: the name of the test case.
        differences: the differences between the expected and the actual decision; empty if the test case
            passed.
        decision: the actual decision; None if the request of the test case is invalid.
        touched: the names of the parts of the bundle that the test case covers: broken rules, mutations,
            waivers and bindings.
    """

    file: str
    case: str
    differences: tuple[str, ...]
    decision: Decision | None = None
    touched: frozenset[str] = field(default_factory=frozenset)

    @property
    def has_passed(self) -> bool:
        """Whether the actual decision was the expected decision."""
        return not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The coverage of a bundle: the parts of the bundle, and the parts that the tests cover.

    Attributes:
        wanted: the names of all parts: `<policy>/<rule>` for every rule, `<policy>/set[<index>]` for every
            mutation, `waiver <name>` for every waiver, `binding <name>` for every binding.
        reached: the names of the parts that at least one test case covers.
    """

    wanted: frozenset[str]
    reached: frozenset[str]

    @property
    def missed(self) -> list[str]:
        """The sorted names of the parts that no test case covers."""
        return sorted(self.wanted - self.reached)

    @property
    def percent(self) -> float:
        """The percentage of the parts that are covered. For a bundle without parts, the percentage is 100."""
        return 100.0 * len(self.reached) / len(self.wanted) if self.wanted else 100.0


def run_suites(bundle: Bundle, schema: Schema, containing: str = "") -> list[CaseResult]:
    """Run the test cases of all suites of a bundle, in the order of the files.

    Args:
        bundle: the bundle with the suites.
        schema: the schema with the methods.
        containing: a text to select test cases. A test case is run only if its name, the name of its suite or
            the name of its file contains the text. With an empty text, all test cases are run.
    """
    runner = _Runner(bundle, schema)
    return [
        runner.run(file, case)
        for file, suite in bundle.suites.items()
        for case in suite.cases
        if any(containing in name for name in (file, suite.metadata.name, case.name))
    ]


def measure_coverage(bundle: Bundle, results: Sequence[CaseResult]) -> Coverage:
    """Return the coverage of a bundle.

    Args:
        bundle: the bundle.
        results: the results of the bundle's test cases.
    """
    wanted = set(bundle.rules)
    for name, (policy, _) in bundle.documents.policies.items():
        wanted |= {f"{name}/set[{index}]" for index in range(len(policy.spec.mutations))}
    wanted |= {f"waiver {name}" for name in bundle.documents.waivers}
    wanted |= {f"binding {name}" for name in bundle.documents.bindings}
    reached = frozenset[str]().union(*(result.touched for result in results))
    return Coverage(wanted=frozenset(wanted), reached=reached & wanted)


class _Runner:
    """Runs the test cases of one bundle."""

    def __init__(self, bundle: Bundle, schema: Schema) -> None:
        self._decider = Decider(bundle)
        self._validator = Validator(schema)
        self._schema = schema
        self._names = SuiteNames(bundle)

    def run(self, file: str, case: Case) -> CaseResult:
        try:
            policy_input = read_request(self._schema, case.method, case.request, case.caller, case.now)
        except RequestError as error:
            return CaseResult(file=file, case=case.name, differences=(str(error),))
        decision = self._decider.decide(policy_input)
        refused = find_refused_mutations(self._validator, decision)
        return CaseResult(
            file=file,
            case=case.name,
            differences=(*self._differences(case, decision), *refused),
            decision=decision,
            touched=frozenset(_touched(decision)),
        )

    def _differences(self, case: Case, decision: Decision) -> Iterator[str]:
        expected = case.expect
        if decision.outcome != expected.decision:
            yield f"decision: expected {expected.decision}, got {decision.outcome}"
        groups = {
            "violation": (expected.violations, decision.by_action("deny")),
            "warning": (expected.warnings, decision.by_action("warn")),
            "audit": (expected.audits, decision.by_action("audit")),
            "waived": (expected.waived, decision.waived),
        }
        for what, (wanted, given) in groups.items():
            yield from self._compare(what, wanted, given, decision)
        if expected.mutations is not None:
            yield from self._compare_mutations(expected.mutations, decision)

    def _compare(
        self, what: str, expected: list[ExpectedViolation], given: tuple[Violation, ...], decision: Decision
    ) -> Iterator[str]:
        left = list(given)
        for one in expected:
            found = next((violation for violation in left if violation.reason == one.rule), None)
            if found is None:
                yield f"{what} {one.rule}: {self._names.explain_absent(what, one.rule, decision)}"
                continue
            left.remove(found)
            got = {"field": found.field, "message": found.description, "waiver": found.waiver}
            for name, value in got.items():
                wanted = getattr(one, name)
                if wanted is not None and wanted != value:
                    hint = self._hint(name, wanted, decision)
                    yield f"{what} {one.rule}: expected the {name} {wanted!r}{hint}"
                    yield f"{what} {one.rule}:      got the {name} {value!r}"
        for violation in left:
            yield f"{what} {violation.reason}: not expected: {violation.description}"

    def _hint(self, name: str, wanted: str, decision: Decision) -> str:
        """Return a hint if the expected waiver or field does not exist; return an empty text if it exists.

        Args:
            name: the name of the compared value: `field`, `message` or `waiver`.
            wanted: the expected value.
            decision: the actual decision.
        """
        if name == "waiver":
            return self._names.explain_waiver(wanted)
        return self._names.explain_field(wanted, decision) if name == "field" else ""

    def _compare_mutations(self, expected: list[ExpectedMutation], decision: Decision) -> Iterator[str]:
        made = [one for one in decision.mutations if one.is_made]
        wanted_fields, got_fields = [one.field for one in expected], [one.field for one in made]
        if wanted_fields != got_fields:
            hints = (self._names.explain_field(one, decision) for one in wanted_fields)
            yield f"mutations: expected {wanted_fields}, got {got_fields}{''.join(filter(None, hints))}"
            return
        for wanted, got in zip(expected, made, strict=True):
            if wanted.value is not None and wanted.value != got.after:
                yield f"mutation of {got.field}: expected {wanted.value}, got {got.after}"


def _touched(decision: Decision) -> Iterator[str]:
    for violation in (*decision.violations, *decision.waived):
        if not violation.is_error:
            yield violation.reason
            yield f"binding {violation.binding}"
    for waiver in decision.waivers:
        yield f"waiver {waiver}"
    for mutation in decision.mutations:
        yield f"{mutation.policy}/{mutation.name}"
        yield f"binding {mutation.binding}"
