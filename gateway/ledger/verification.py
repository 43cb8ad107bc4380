"""Verifies a ledger: recomputes its Merkle tree and its projection, and compares them with what is stored.

The stored leaf hashes name the first event that differs. Somebody who can write the database can also change
the stored hashes. A checkpoint that was kept outside shows this too, but only for all events up to its size.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from gateway.ledger.columns import CallRow, CallUpdate
from gateway.ledger.events import FIRST_KINDS, RETENTION, read_event, to_call_row, to_update
from gateway.ledger.reader import fetch
from gateway.ledger.tables import calls, checkpoints, events, hashes, head, tree
from gateway.ledger.tree import entry_of, split_hashes
from gateway.tlog import NoteError, RightEdge, hash_leaf, open_checkpoint, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Select

    from gateway.ledger.reader import LedgerReader
    from gateway.tlog import Checkpoint, Verifier

_UPDATED = CallUpdate._fields[1:8]
_COMPARED = tuple(name for name in (*CallRow._fields, *_UPDATED) if name not in {"owner", "due_us"})
_PROJECTED = tuple(dict.fromkeys(_COMPARED))
_MAX_FINDINGS = 20
PROGRESS_EVENTS = 1000
"""The number of events after which progress is reported."""
# What reading a body raises that the gateway has not written.
_NO_EVENT = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class _Mark(NamedTuple):
    """A checkpoint, and whether nobody but the gateway can have made it.

    Without a key that verifies them, stored checkpoints may have been replaced together with the events.
    """

    checkpoint: Checkpoint
    is_trusted: bool


@dataclass(slots=True, kw_only=True)
class Verification:
    """The result of a verification.

    Attributes:
        events: the number of events that were read.
        size: the number of events that the ledger has had, removed ones included.
        pruned: the number of events that retention removed.
        checkpoints: the number of checkpoints that hold.
        covered: the number of events that the newest valid checkpoint covers.
        findings: the problems, the first one first.
    """

    events: int = 0
    size: int = 0
    pruned: int = 0
    checkpoints: int = 0
    covered: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was changed, removed or reordered."""
        return not self.findings

    @property
    def uncovered(self) -> int:
        """The number of events after the newest valid checkpoint. Their change could not be detected."""
        return max(0, self.size - self.covered)

    def add(self, finding: str) -> None:
        """Add a problem, unless there are many problems already."""
        if len(self.findings) < _MAX_FINDINGS:
            self.findings.append(finding)


async def verify(
    reader: LedgerReader,
    verifiers: Sequence[Verifier],
    outside: Iterable[str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005 - nothing is shown
) -> Verification:
    """Verify a ledger.

    Args:
        reader: the ledger.
        verifiers: the public keys of the checkpoints; empty if their signatures are not checked. A key that
            was replaced by another one is needed too, because older checkpoints are signed with it.
        outside: the checkpoints that were kept outside of the database.
        on_progress: a function that is called from time to time with the number of events that were read, and
            the number of all events.
    """
    result = Verification()
    marks = await _read_checkpoints(reader, verifiers, outside, result)
    expected = await _read_hashes(reader, result)
    ((count,),) = await fetch(reader, select(func.count()).select_from(events))
    size, edge, pruned = await _read_row(reader, select(tree.c.size, tree.c.edge, tree.c.pruned), result)
    (next_seq,) = await _read_row(reader, select(head.c.next_seq), result)
    result.pruned = pruned = pruned or 0
    check = _EventCheck(result, expected, marks, pruned)
    check.limit = len(expected) + count
    check.stored_tree = (size or 0, edge or b"")
    async for row in reader.stream(
        select(events.c.seq, events.c.call, events.c.kind, events.c.time_us, events.c.body).order_by(
            events.c.seq
        )
    ):
        check.add(*row)
        if result.events % PROGRESS_EVENTS == 0:
            on_progress(result.events, count)
    check.finish(next_seq or 0, size or 0)
    await _compare_projection(reader, check.rows, result)
    return result


async def _read_row(reader: LedgerReader, query: Select[Any], result: Verification) -> tuple[Any, ...]:
    """Return the only row of a table. Another number of rows is a finding."""
    rows = await fetch(reader, query)
    if len(rows) != 1:
        table = query.get_final_froms()[0]
        result.add(f"the table {table} has {len(rows)} rows, not one")
    return rows[0] if rows else (None,) * len(query.selected_columns)


async def _read_checkpoints(
    reader: LedgerReader, verifiers: Sequence[Verifier], outside: Iterable[str], result: Verification
) -> dict[int, list[_Mark]]:
    """Return all checkpoints by their sizes. A checkpoint that cannot be trusted is a finding."""
    stored = await fetch(reader, select(checkpoints.c.note).order_by(checkpoints.c.size))
    marks: dict[int, list[_Mark]] = {}
    given, origins = list(outside), set()
    for place, note in [("stored", note) for (note,) in stored] + [("given", note) for note in given]:
        try:
            checkpoint = _open(note, verifiers)
        except NoteError as error:
            result.add(f"a {place} checkpoint is not valid: {error}")
            continue
        origins.add(checkpoint.origin)
        is_trusted = bool(verifiers) or place == "given" or not given
        marks.setdefault(checkpoint.size, []).append(_Mark(checkpoint, is_trusted))
    if len(origins) > 1:
        result.add(f"the checkpoints belong to several ledgers: {', '.join(sorted(origins))}")
    return marks


def _open(note: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Return the checkpoint in a note that one of the keys has signed.

    Raises:
        NoteError: the note is malformed, or no key has signed it. The reason is that of the last key.
    """
    if not verifiers:
        return parse_checkpoint(note.partition("\n\n")[0] + "\n" if "\n\n" in note else note)
    *others, last = verifiers
    for verifier in others:
        with suppress(NoteError):
            return open_checkpoint(note, verifier)
    return open_checkpoint(note, last)


async def _read_hashes(reader: LedgerReader, result: Verification) -> list[bytes]:
    found: list[bytes] = []
    rows = await fetch(reader, select(hashes.c.seq, hashes.c.hashes).order_by(hashes.c.seq))
    for start, data in rows:
        if start != len(found) or not isinstance(data, bytes):
            result.add(f"the stored leaf hashes from event {len(found)} on are missing")
            break
        found += split_hashes(data)
    return found


class _EventCheck:
    """Checks the events one after the other, and computes the tree and the projection."""

    def __init__(
        self, result: Verification, expected: list[bytes], marks: dict[int, list[_Mark]], pruned: int
    ) -> None:
        self._result = result
        self._expected = expected
        self._positions = {value: index for index, value in enumerate(expected)}
        self._marks = marks
        self._edge = RightEdge()
        self._is_named = False  # whether the first event that differs was named
        self.stored_tree: tuple[int, bytes] = (0, b"")
        self.limit = 0  # the number that no event of an untouched ledger exceeds
        self._removals: list[tuple[int, int]] = []  # the number of each event of a retention, and its prefix
        self.rows: dict[str, dict[str, Any]] = {}
        for value in expected[:pruned]:
            self._grow(value or bytes(32))
        if len(expected) < pruned:
            result.add(f"the leaf hashes of removed events are missing: {pruned - len(expected)}")

    def add(self, seq: int, call: str, kind: str, time_us: int, body: Any) -> None:
        self._result.events += 1
        if seq > self.limit:  # it would take too long to count so many missing events
            self._name(f"event {seq} was added: the ledger has not had so many events")
            return
        if seq != self._edge.size:
            self._name(f"event {self._edge.size} was removed; the next one is event {seq}")
            while self._edge.size < seq:
                known = self._edge.size < len(self._expected)
                self._grow(self._expected[self._edge.size] if known else bytes(32))
        if not isinstance(body, str):  # SQLite accepts any value in any column
            body = repr(body)
        self._check_columns(seq, call, kind, time_us, body)
        leaf = hash_leaf(entry_of(body))
        if seq < len(self._expected) and leaf != self._expected[seq]:
            self._name_change(seq, leaf)
        self._grow(leaf)

    def _check_columns(self, seq: int, call: str, kind: str, time_us: int, body: str) -> None:
        try:
            row = read_event(body)
            self._project(seq, json.loads(body))
        except _NO_EVENT:
            self._name(f"event {seq} was changed: its body is no event")
            return
        for name, stored, right in zip(row._fields, (call, kind, time_us), row[:3], strict=False):
            if stored != right:
                self._result.add(f"event {seq} was changed: its column {name} is {stored!r}, not {right!r}")

    def _project(self, seq: int, event: dict[str, Any]) -> None:
        kind = event["kind"]
        if kind in FIRST_KINDS:
            row = to_call_row(event)._asdict()
            known = self.rows.get(row["id"])
            if known is None:
                self.rows[row["id"]] = {name: row.get(name) for name in _PROJECTED} | {"seq": seq}
            else:  # a correction of the outcome
                known.update(outcome=row["outcome"], code=row["code"])
        elif kind == RETENTION:
            self._removals.append((seq, int(event["removed"])))
        elif event["id"] in self.rows:
            update = to_update(event)._asdict()
            self.rows[event["id"]].update(
                {k: v for k, v in update.items() if k in _UPDATED and v is not None}
            )

    def _name_change(self, seq: int, leaf: bytes) -> None:
        origin = self._positions.get(leaf)
        if origin is None:
            self._name(f"event {seq} was changed")
        else:
            self._name(f"event {seq} was replaced by what was event {origin}: events were reordered")

    def _name(self, finding: str) -> None:
        self._is_named = True
        self._result.add(finding)

    def _grow(self, leaf: bytes) -> None:
        self._edge.append(leaf)
        size, stored = self.stored_tree
        if self._edge.size == size and b"".join(self._edge.hashes) != stored:
            self._result.add(f"the stored tree of {size} events differs from the tree of these events")
        for checkpoint, is_trusted in self._marks.get(self._edge.size, ()):
            if checkpoint.root == self._edge.root():
                self._result.checkpoints += 1
                if is_trusted:
                    self._result.covered = self._edge.size
            elif not self._is_named:
                self._name(
                    f"an event between {self._result.covered} and {self._edge.size - 1} was changed, and the "
                    f"stored hashes with it: the root differs from the checkpoint of size {self._edge.size}"
                )
            else:
                self._result.add(f"the root differs from the checkpoint of size {self._edge.size}")

    def finish(self, next_seq: int, tree_size: int) -> None:
        size = self._edge.size
        self._result.size = size
        if size < next_seq:
            self._result.add(f"the tail was cut: events {size} to {next_seq - 1} are missing")
        if size > next_seq:
            self._result.add(
                f"events were added: the next event has the number {next_seq}, the ledger has {size} events"
            )
        if tree_size > size >= next_seq:
            self._result.add(f"the tail was cut: the tree has {tree_size} events, the ledger has {size}")
        longest = max(self._marks, default=0)
        if longest > max(size, next_seq):
            self._result.add(
                f"a checkpoint covers {longest} events, the ledger has {size}: "
                "its tail was cut, or it is an older backup"
            )
        covered = self._result.covered
        removed = max((count for seq, count in self._removals if seq < covered), default=0)
        if removed < self._result.pruned:
            self._result.add(
                f"{self._result.pruned} events are gone, but retention recorded only {removed} in "
                "events that checkpoints cover"
            )


async def _compare_projection(
    reader: LedgerReader, rows: dict[str, dict[str, Any]], result: Verification
) -> None:
    query = select(calls.c.seq, *(calls.c[name] for name in _PROJECTED)).order_by(calls.c.seq)
    async for seq, *values in reader.stream(query):
        stored = dict(zip(_PROJECTED, values, strict=True))
        right = rows.pop(stored["id"], None)
        if right is None:
            result.add(
                f"the projection has the call {stored['call_id']} ({stored['id']}), which has no event"
            )
            continue
        if seq != right["seq"]:
            result.add(
                f"the projection of call {stored['call_id']} names event {seq} as its first one, not event "
                f"{right['seq']}"
            )
        for name in _PROJECTED:
            if _plain(stored[name]) != _plain(right[name]):
                result.add(
                    f"the projection of call {stored['call_id']} (event {seq}) differs: {name} is "
                    f"{stored[name]!r}, by the events it is {right[name]!r}"
                )
    for missing in rows.values():
        result.add(f"the projection lacks the call {missing['call_id']} ({missing['id']})")


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value
