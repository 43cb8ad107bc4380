"""Replays the requests of a decision log, and reports the decisions that another bundle would change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.audit.record_reader import RecordError
from gateway.policy.decider import Decider
from gateway.policy_tools.explain import LEFT
from gateway.policy_tools.record_line import read_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gateway.audit.record_reader import Recorded
    from gateway.policy.bundle import Bundle
    from gateway.policy.decision import Decision
    from gateway.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A recorded decision that would be different with the other bundle.

    Attributes:
        id: the ID of the recorded decision.
        method: the full name of the method.
        before: the recorded outcome.
        after: the outcome with the other bundle.
        newly_broken: the rules that are broken only with the other bundle. The keys have the
            form `<action> <policy>/<rule>`. The values are the descriptions of the violations.
        newly_met: the rules that are broken only in the record. Each text has the form
            `<action> <policy>/<rule>`.
        set_otherwise: the fields that policies set to a different value with the other bundle. Each
            entry maps the path of a field to a text of the form `<recorded value> → <new value>`.
        is_altered: whether parts of the recorded request are redacted or left out. The missing parts may be
            the cause of the change.
    """

    id: str
    method: str
    before: str
    after: str
    newly_broken: dict[str, str]
    newly_met: tuple[str, ...]
    set_otherwise: dict[str, str]
    is_altered: bool

    @property
    def kind(self) -> str:
        """The kind of the change.

        If the outcome changes, the kind is `<before> → <after>`, such as `allow → deny`. If the
        outcome stays the same but at least one rule changes, the kind is `rules`. If only mutations change,
        the kind is `mutations`.
        """
        if self.before != self.after:
            return f"{self.before} → {self.after}"
        return "rules" if self.newly_broken or self.newly_met else "mutations"


@dataclass(slots=True, kw_only=True)
class Replay:
    """The result of a replay.

    Attributes:
        replayed: the number of records that were evaluated again.
        passed_over: the number of lines that contain JSON but no record of a decision.
        changes: the recorded decisions that would change.
        unreadable: a text `line <number>: <reason>` for each line that could not be evaluated again.
    """

    replayed: int = 0
    passed_over: int = 0
    changes: list[Change] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> Counter[str]:
        """The numbers of changed decisions, keyed by the kind of change."""
        return Counter(change.kind for change in self.changes)

    @property
    def rules(self) -> Counter[str]:
        """The numbers of changes, keyed by text such as `newly broken: <action> <policy>/<rule>`."""
        counted: Counter[str] = Counter()
        for change in self.changes:
            counted.update(f"newly broken: {rule}" for rule in change.newly_broken)
            counted.update(f"newly met: {rule}" for rule in change.newly_met)
            counted.update(f"set otherwise: {field}" for field in change.set_otherwise)
        return counted


def replay(lines: Iterable[str], bundle: Bundle, schema: Schema) -> Replay:
    """Evaluate the request of each record of a decision log again, and compare the decisions.

    Args:
        lines: the lines of the decision log. A line that contains JSON but no record is skipped.
        bundle: the bundle that the requests are evaluated with.
        schema: the schema with the methods.
    """
    decider, result = Decider(bundle), Replay()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            recorded = read_line(line, schema)
        except RecordError as error:
            result.unreadable.append(f"line {number}: {error}")
            continue
        if recorded is None:
            result.passed_over += 1
            continue
        result.replayed += 1
        change = _compare(recorded, decider.decide(recorded.input))
        if change is not None:
            result.changes.append(change)
    return result


def _compare(recorded: Recorded, decision: Decision) -> Change | None:
    broken = {f"{one.action} {one.reason}": one.description for one in decision.violations}
    fields = {one.field: one.after for one in decision.mutations if one.is_made}
    is_same = broken.keys() == recorded.broken and fields == recorded.fields
    if decision.outcome == recorded.outcome and is_same:
        return None
    return Change(
        id=recorded.id,
        method=decision.method,
        before=recorded.outcome,
        after=decision.outcome,
        newly_broken={rule: text for rule, text in broken.items() if rule not in recorded.broken},
        newly_met=tuple(sorted(recorded.broken - broken.keys())),
        set_otherwise=dict(_compare_fields(recorded.fields, fields)),
        is_altered=recorded.is_altered,
    )


def _compare_fields(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path in sorted(before.keys() | after.keys()):
        held, holds = before.get(path, LEFT), after.get(path, LEFT)
        if held != holds:
            yield path, f"{held} → {holds}"
