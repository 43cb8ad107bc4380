"""Retention: removes events that are older than the configured age.

Only a prefix of the log is removed, so the numbers of the removed events are known. Their leaf hashes are
kept, and an event records how many events were removed. A checkpoint covers this event before anything is
removed. So it can be proved that nothing else was removed: somebody who removes events by hand can add such
an event, but no checkpoint covers it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.ledger.batch import Entry
from gateway.ledger.events import RETENTION, from_us, make_event, now_us, to_text
from gateway.ledger.tree import read_state

if TYPE_CHECKING:
    from gateway.ledger.batch import Store
    from gateway.ledger.tree import Tree
    from gateway.ledger.writer import LedgerWriter

_DELETE_KEYS = "DELETE FROM ledger_keys WHERE call IN (SELECT id FROM ledger_calls WHERE seq < ?)"
_RECORD_S = 30.0
GROUP = 5_000
"""The maximum number of events that are removed in one transaction, because commits wait for it."""
# An event stays if it is young, not yet in the tree, or a part of a call that needs further work or has an
# idempotency key. Without its call, such a key could neither be used again nor be answered.
_FIRST_KEPT = (
    "SELECT min(first) FROM (SELECT first FROM "
    "(SELECT seq AS first FROM ledger_events WHERE time_us >= ? ORDER BY seq LIMIT 1) AS young "
    "UNION ALL SELECT min(seq) FROM ledger_calls "
    "WHERE outcome IN ('pending', 'unknown') OR due_us IS NOT NULL "
    "UNION ALL SELECT min(c.seq) FROM ledger_keys k JOIN ledger_calls c ON c.id = k.call "
    "UNION ALL SELECT size FROM ledger_tree) AS kept"
)


class Retention:
    """Removes old events of one ledger, and expired idempotency keys."""

    def __init__(self, store: Store, writer: LedgerWriter, tree: Tree, retention_s: float) -> None:
        """Initialize the retention.

        Args:
            store: the database.
            writer: the writer of the ledger.
            tree: the Merkle tree of the ledger.
            retention_s: the age after which events are removed, in seconds; 0 keeps all events.
        """
        self._store = store
        self._writer = writer
        self._tree = tree
        self._retention_us = int(retention_s * 1e6)

    async def apply(self) -> int:
        """Remove what is too old, and return the number of events that were removed in all.

        The removal is recorded, and a checkpoint covers the record, before it is made.

        Raises:
            StoreError: the database cannot be used.
            TreeError: the tree cannot be built at present.
            GatewayError: the removal cannot be recorded.
        """
        time_us = now_us()
        async with self._store.transaction() as session:
            await session.fetch("DELETE FROM ledger_keys WHERE expires_us < ?", time_us)
            state = await read_state(session)
            if not self._retention_us:
                return state.pruned
            rows = await session.fetch(_FIRST_KEPT, time_us - self._retention_us)
        first_kept = rows[0][0]
        if first_kept is None or first_kept <= state.pruned:
            return state.pruned
        before = to_text(from_us(time_us - self._retention_us))
        event = make_event(RETENTION, "", {"removed": first_kept, "before": before})
        await self._writer.write(Entry(event=event), asyncio.get_running_loop().time() + _RECORD_S)
        while await self._tree.grow():
            pass
        await self._tree.make_checkpoint()
        for start in range(state.pruned, first_kept, GROUP):
            await self._remove(min(start + GROUP, first_kept))
        return int(first_kept)

    async def _remove(self, end: int) -> None:
        """Remove all events whose numbers are lower than `end`."""
        async with self._store.transaction() as session:
            await session.fetch("DELETE FROM ledger_events WHERE seq < ?", end)
            await session.fetch(_DELETE_KEYS, end)
            await session.fetch("DELETE FROM ledger_calls WHERE seq < ?", end)
            await session.fetch("UPDATE ledger_tree SET pruned = ?", end)
