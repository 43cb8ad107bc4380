"""A ledger that a test changes by hand, and what an auditor keeps outside of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource

from gateway.config.ledger import LedgerSection
from gateway.ledger.batch import Entry
from gateway.ledger.events import OPERATION, OUTCOME, make_event, make_first_event, to_call_row, to_update
from gateway.ledger.retention import Retention
from gateway.ledger.service import open_store
from gateway.ledger.tree import Tree, entry_of
from gateway.ledger.writer import LedgerWriter
from gateway.telemetry import Health, Metrics, Tracing
from gateway.tlog import Checkpoint, RightEdge, hash_leaf
from tests.commands import run_command
from tests.ledger.records import record
from tests.tlog.keys import make_signer

ORIGIN = "baremetal-gateway/ledger"
OLD = "2026-01-01T00:00:00.000000Z"


@dataclass
class Evidence:
    """A ledger, and what an auditor keeps outside of its database."""

    file: Path
    public_key: Path
    checkpoints: Path
    has_key: bool = True
    has_checkpoints: bool = True
    copies: dict[str, Path] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            return connection.execute(sql, values).fetchall()

    def run_all(self, script: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(script)

    def bodies(self) -> list[str]:
        return [body for (body,) in self.run("SELECT body FROM ledger_events ORDER BY seq")]

    def verify(self) -> dict[str, Any]:
        words: list[str | Path] = ["audit", "verify", "--json", "--ledger", self.url]
        words += ["--public-key", self.public_key] if self.has_key else []
        words += ["--checkpoints", self.checkpoints] if self.has_checkpoints else []
        done = run_command(*words)
        assert done.returncode in {0, 1}, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        assert result["holds"] == (done.returncode == 0)
        return result

    def findings(self) -> list[str]:
        return list(self.verify()["findings"])


def entries(numbers: Iterable[int]) -> list[Entry]:
    """Return the events of calls: each has a decision, an outcome and an operation that has ended."""
    found = []
    for number in numbers:
        call = f"call-{number:03}"
        facts = record(call, time=OLD, name=f"image-{number}", outcome="pending", code=None)
        found.append(Entry(event=make_first_event(facts), row=to_call_row(facts)))
        operation: dict[str, Any] = {"id": f"op-{number}", "done": False}
        for kind, further in (
            (OUTCOME, {"outcome": "ok", "code": "OK", "operation": operation}),
            (
                OPERATION,
                {"operation": operation | {"done": True, "code": "OK", "resource_id": f"r-{number}"}},
            ),
        ):
            event = make_event(kind, call, further)
            found.append(Entry(event=event, row=to_update({"id": call, **further})))
    return found


def grow(file: Path, checkpoints: Path, *groups: Iterable[int], retention_s: float = 0) -> None:
    """Commit calls, and make a signed checkpoint after each group."""

    async def run() -> None:
        store = open_store(LedgerSection(url=f"sqlite:///{file}", durability="process"))
        writer = LedgerWriter(store, Metrics(Resource.create()), Health({}), capacity=10, when_full="drop")
        await writer.start()
        try:
            tree = Tree(store, ORIGIN, make_signer(ORIGIN), checkpoints, Tracing())
            for group in groups:
                await store.commit(entries(group))
                while await tree.grow():
                    pass
                await tree.make_checkpoint()
            if retention_s:
                await Retention(store, writer, tree, retention_s).apply()
        finally:
            await writer.close()

    asyncio.run(run())


def forge(evidence: Evidence, *, note: Callable[[Checkpoint], str] | None = None) -> None:
    """Compute everything again that is derived from the events, as somebody without the signing key can.

    Args:
        evidence: the ledger.
        note: a function that returns the note of the new checkpoint; None if all checkpoints are removed.
    """
    hashes = [hash_leaf(entry_of(body)) for body in evidence.bodies()]
    edge = RightEdge()
    edge.extend(hashes)
    with closing(sqlite3.connect(evidence.file)) as connection, connection:
        connection.execute("DELETE FROM ledger_hashes")
        for start in range(0, len(hashes), 256):
            row = (start, b"".join(hashes[start : start + 256]))
            connection.execute("INSERT INTO ledger_hashes (seq, hashes) VALUES (?, ?)", row)
        values = (edge.size, b"".join(edge.hashes))
        connection.execute("UPDATE ledger_tree SET size = ?, edge = ?", values)
        connection.execute("UPDATE ledger_head SET next_seq = ?", (edge.size,))
        connection.execute("DELETE FROM ledger_checkpoints")
        if note is not None:
            checkpoint = Checkpoint(origin=ORIGIN, size=edge.size, root=edge.root())
            new = (edge.size, 0, note(checkpoint))
            connection.execute("INSERT INTO ledger_checkpoints (size, time_us, note) VALUES (?, ?, ?)", new)


def change_body(evidence: Evidence, seq: int, old: str, new: str) -> None:
    (body,) = evidence.run("SELECT body FROM ledger_events WHERE seq = ?", seq)[0]
    assert old in body
    evidence.run("UPDATE ledger_events SET body = ? WHERE seq = ?", body.replace(old, new), seq)
