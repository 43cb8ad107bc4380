"""Entries, and databases that hold a ledger."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from gateway.config.ledger import LedgerSection
from gateway.ledger.batch import Entry, KeyClaim
from gateway.ledger.columns import CallRow, CallUpdate, EventRow
from gateway.ledger.postgres_store import to_numbered
from gateway.ledger.service import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.ledger.batch import Store

_ROW: dict[str, Any] = {
    "time_us": 1,
    "call_id": "request-1",
    "caller": "{}",
    "caller_id": "me",
    "method": "a.Service/Create",
    "folder_id": "b1gexample",
    "name": "image-1",
    "labels": "{}",
    "decision": "allow",
    "bundle": "hash",
    "idempotency_key": "key-1",
    "trace_id": "0" * 32,
    "outcome": "pending",
    "code": None,
    "resource_id": None,
    "owner": "replica-1",
    "due_us": 7,
}


def call_row(call: str, **changes: Any) -> CallRow:
    return CallRow(id=call, **_ROW | changes)


def first(call: str, *, body: str = "{}", claim: KeyClaim | None = None, **changes: Any) -> Entry:
    """Return the entry that creates the row of a call."""
    return Entry(event=EventRow(call, "decision", 1, body), row=call_row(call, **changes), claim=claim)


def later(call: str, *, kind: str = "outcome", frees_key: bool = False, **changes: Any) -> Entry:
    """Return an entry that changes the row of a call."""
    row = CallUpdate(call, **changes) if changes else None
    return Entry(event=EventRow(call, kind, 2, "{}"), row=row, frees_key=frees_key)


def claim_of(
    call: str, key: str = "k", *, request: str = "r", expires_us: int = 100, now_us: int = 10
) -> KeyClaim:
    return KeyClaim(key, call, request, expires_us, now_us)


def claiming(call: str, key: str = "k", **changes: Any) -> Entry:
    """Return the entry of a call that claims a key."""
    return first(call, claim=claim_of(call, key, **changes))


@dataclass
class Database:
    """A database for one test. Its stores are closed at the end of the test."""

    dialect: str
    url: str
    stack: AsyncExitStack = field(repr=False)

    def store(self, **section: Any) -> Store:
        """Return a store that is not open yet."""
        store = open_store(LedgerSection(url=self.url, **section))
        self.stack.push_async_callback(store.close)
        return store

    async def open(self, **section: Any) -> Store:
        store = self.store(**section)
        await store.open()
        return store

    async def read(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read rows through a connection of the test."""
        if self.dialect == "sqlite":
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
                return file.execute(sql, parameters).fetchall()
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(to_numbered(sql), *parameters)]
        finally:
            await connection.close()

    async def change(self, sql: str) -> None:
        """Run statements through a connection of the test."""
        if self.dialect == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as file:
                file.executescript(sql)
            return
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def calls(self, columns: str = "id, outcome") -> list[tuple[Any, ...]]:
        return await self.read(f"SELECT {columns} FROM ledger_calls ORDER BY seq")  # noqa: S608 - constants

    async def sequence(self) -> list[tuple[Any, ...]]:
        """Return the sequence number and the call of each event, and check that there is no gap."""
        events = await self.read("SELECT seq, call FROM ledger_events ORDER BY seq")
        assert [seq for seq, _ in events] == list(range(len(events)))
        assert await self.read("SELECT next_seq FROM ledger_head") == [(len(events),)]
        return events


def calls_of(entries: Sequence[Entry]) -> list[str]:
    return [entry.event.call for entry in entries]
