"""A store in memory, which a test controls."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gateway.ledger.batch import EntryError, begin_commit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from gateway.ledger.batch import Entry
    from gateway.ledger.schema_version import Dialect


class HeldStore:
    """Commits when it may, and fails as it is told.

    Attributes:
        groups: the groups that were committed.
        failure: the error of each commit and transaction; None if they succeed.
        end_failure: the error of each COMMIT, after which it is not known what was committed.
        open_failure: the error of open(); None if it succeeds.
        free: the event that commits wait for.
        waiting: the number of commits that wait.
        bad: the kind of events that are refused with `bad_error`.
        lost: the calls whose claims fail.
        on_commit: a function that is called at the end of each commit.
    """

    now_us = "0"

    def __init__(self, dialect: Dialect = "postgresql") -> None:
        self.dialect = dialect
        self.groups: list[list[Entry]] = []
        self.failure: Exception | None = None
        self.end_failure: Exception | None = None
        self.open_failure: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.waiting = 0
        self.bad = ""
        self.bad_error: Exception = EntryError("bad")
        self.lost: set[str] = set()
        self.is_closed = False
        self.on_commit: Callable[[], object] = lambda: None
        self.statements: list[str] = []

    async def open(self) -> None:
        if self.open_failure is not None:
            raise self.open_failure

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        self.waiting += 1
        await self.free.wait()
        self.waiting -= 1
        if self.failure is not None:
            raise self.failure
        if self.bad and any(entry.event.kind == self.bad for entry in entries):
            raise self.bad_error
        begin_commit(entries)
        if self.end_failure is not None:
            raise self.end_failure
        lost = [entry for entry in entries if entry.event.call in self.lost]
        self.groups.append([entry for entry in entries if entry not in lost])
        self.on_commit()
        return lost

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[HeldStore]:
        if self.failure is not None:
            raise self.failure
        yield self

    async def fetch(self, sql: str, *_parameters: Any) -> list[tuple[Any, ...]]:
        self.statements.append(sql)
        return []

    async def close(self) -> None:
        self.is_closed = True

    def committed(self) -> list[str]:
        """Return the calls of the committed events."""
        return [entry.event.call for group in self.groups for entry in group]
