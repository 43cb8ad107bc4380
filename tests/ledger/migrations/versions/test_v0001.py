"""The first version of the tables. A later version must not change what it creates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.ledger.making import Database


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        database = Database("sqlite", f"sqlite:///{tmp_path / 'ledger.db'}", stack)
        await database.open()
        yield database


async def test_the_rows_that_each_ledger_has(opened: Database) -> None:
    assert await opened.read("SELECT next_seq FROM ledger_head") == [(0,)]
    ((size, edge, pruned),) = await opened.read("SELECT size, edge, pruned FROM ledger_tree")
    assert (size, bytes(edge, "ascii") if isinstance(edge, str) else edge, pruned) == (0, b"", 0)
    for table in ("events", "calls", "keys", "leases", "hashes", "checkpoints"):
        assert await opened.read(f"SELECT * FROM ledger_{table}") == []  # noqa: S608 - constants


async def test_due_calls_are_found_by_an_index(opened: Database) -> None:
    plan = await opened.read("EXPLAIN QUERY PLAN SELECT id FROM ledger_calls WHERE due_us < 5")
    assert "ledger_calls_due_us" in str(plan)
    plan = await opened.read("EXPLAIN QUERY PLAN SELECT seq FROM ledger_events WHERE call = 'c'")
    assert "ledger_events_call" in str(plan)
