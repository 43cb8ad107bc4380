"""A ledger for the audit commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config.ledger import LedgerSection
from gateway.ledger.batch import Entry
from gateway.ledger.service import open_store
from gateway.ledger.tree import Tree
from gateway.telemetry import Tracing
from tests.commands import Finished, run_command
from tests.ledger.records import begun, ended
from tests.tlog.keys import make_signer

ORIGIN = "baremetal-gateway/ledger"
Audit = Callable[..., Finished]


def commit(path: Path, *entries: Entry, is_signed: bool = True) -> None:
    """Commit events to an SQLite ledger, and make a checkpoint."""

    async def run() -> None:
        store = open_store(LedgerSection(url=f"sqlite:///{path}", durability="process"))
        await store.open()
        try:
            await store.commit(entries)
            tree = Tree(store, ORIGIN, make_signer(ORIGIN) if is_signed else None, None, Tracing())
            await tree.grow()
            await tree.make_checkpoint()
        finally:
            await store.close()

    asyncio.run(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with a create that has succeeded, one that was denied, and one whose outcome is unknown."""
    path = tmp_path / "ledger.db"
    operation = {"id": "op-1", "done": True, "code": "OK", "resource_id": "image-id"}
    violation = {"action": "deny", "policy": "p", "rule": "r", "reason": "p/r", "message": "m"}
    denied: dict[str, Any] = {
        "decision": "deny",
        "violations": [violation],
        "outcome": "denied",
        "code": "PERMISSION_DENIED",
    }
    commit(
        path,
        begun("a", time="2026-01-01T00:00:00.000000Z"),
        ended("a", outcome="ok", code="OK", operation=operation),
        begun("b", time="2026-01-02T00:00:00.000000Z", due_us=None, **denied),
        begun("c", time="2026-01-03T00:00:00.000000Z", due_us=None, outcome="unknown", name="=1+1"),
    )
    return path


@pytest.fixture
def audit(path: Path) -> Audit:
    """Run an audit command on the ledger."""

    def run(*words: str | Path) -> Finished:
        return run_command("audit", *words, "--ledger", f"sqlite:///{path}")

    return run
