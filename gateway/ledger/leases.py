"""Leases: which replica handles a call, or a task that only one replica does.

Leases use the clock of the database, so replicas need no common clock. Each new holder gets a higher epoch.
A holder that was suspended finds that the epoch has changed, and its later statements change nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.ledger.batch import StoreError

if TYPE_CHECKING:
    from gateway.ledger.batch import Store

_log = logging.getLogger(__name__)

IS_LIVE = (
    "EXISTS (SELECT 1 FROM ledger_leases l WHERE l.name = 'replica:' || {owner} AND l.until_us > {{now}})"
)
"""The SQL condition that a replica is live. `{now}` stands for the clock of the database."""

_GIVE_UP_S = 0.5  # the task goes on, but the caller does not wait any longer
_ACQUIRE = (
    "INSERT INTO ledger_leases (name, owner, epoch, until_us) VALUES (?, ?, 1, {now} + ?) "
    "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until_us = excluded.until_us, "
    "epoch = ledger_leases.epoch + CASE WHEN ledger_leases.owner = excluded.owner THEN 0 ELSE 1 END "
    "WHERE ledger_leases.owner = excluded.owner OR ledger_leases.until_us < {now} RETURNING epoch"
)
_TAKE_OVER = (
    "UPDATE ledger_calls SET owner = ?, epoch = epoch + 1, due_us = {now} WHERE id = ? "
    "AND outcome IN ('pending', 'unknown') "
    f"AND (owner IS NULL OR NOT {IS_LIVE.format(owner='ledger_calls.owner')}) RETURNING epoch"
)


_FORGET = "DELETE FROM ledger_leases WHERE name LIKE 'replica:%' AND until_us < {now} - ?"
_FORGOTTEN_US = 86_400_000_000


class Leases:
    """The leases of one replica.

    Attributes:
        replica: the ID of the replica.
    """

    def __init__(self, store: Store, replica: str, lease_s: float) -> None:
        """Initialize the leases.

        Args:
            store: the database.
            replica: the ID of the replica, which no other process has.
            lease_s: the duration of a lease, in seconds. The replica renews its lease three times as often.
        """
        self.replica = replica
        self._store = store
        self._lease_s = lease_s
        self._giving_up: set[asyncio.Task[None]] = set()

    async def acquire(self, name: str) -> int | None:
        """Acquire or renew a lease, and return its epoch. Return None if another replica holds the lease.

        Raises:
            StoreError: the database cannot be used.
        """
        sql = _ACQUIRE.replace("{now}", self._store.now_us)
        async with self._store.transaction() as session:
            rows = await session.fetch(sql, name, self.replica, int(self._lease_s * 1e6))
        return rows[0][0] if rows else None

    async def take_over(self, call: str) -> int | None:
        """Become the owner of a call that no live replica handles, and return its new epoch.

        Return None if a live replica handles the call, or the call is settled.

        Raises:
            StoreError: the database cannot be used.
        """
        sql = _TAKE_OVER.replace("{now}", self._store.now_us)
        try:
            async with self._store.transaction() as session:
                rows = await session.fetch(sql, self.replica, call)
        except asyncio.CancelledError:  # the transaction may have been committed, but nobody handles the call
            task = asyncio.create_task(self._give_up(call))
            self._giving_up.add(task)
            task.add_done_callback(self._giving_up.discard)
            await asyncio.wait([task], timeout=_GIVE_UP_S)
            raise
        return rows[0][0] if rows else None

    async def _give_up(self, call: str) -> None:
        sql = "UPDATE ledger_calls SET owner = NULL WHERE id = ? AND owner = ?"
        try:
            async with self._store.transaction() as session:
                await session.fetch(sql, call, self.replica)
        except StoreError as error:
            _log.warning("call not given up", extra={"call": call, "reason": error.reason})

    async def acquire_own(self) -> None:
        """Show the other replicas that this replica is live.

        Raises:
            StoreError: the database cannot be used.
        """
        await self.acquire(f"replica:{self.replica}")

    async def renew(self) -> None:
        """Renew the lease of the replica again and again. This coroutine runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(self._lease_s / 3, 86400.0))
            try:
                await self.acquire_own()
                await self._forget_ended_replicas()
            except StoreError as error:
                _log.warning("lease of the replica not renewed", extra={"reason": error.reason})

    async def _forget_ended_replicas(self) -> None:
        """Remove the leases of replicas that ended long ago without giving them up."""
        async with self._store.transaction() as session:
            await session.fetch(_FORGET.replace("{now}", self._store.now_us), _FORGOTTEN_US)

    async def release(self) -> None:
        """Give up all leases, so that other replicas need not wait until they expire."""
        if self._giving_up:
            await asyncio.wait(self._giving_up)
        try:
            async with self._store.transaction() as session:
                await session.fetch("DELETE FROM ledger_leases WHERE owner = ?", self.replica)
        except StoreError as error:
            _log.warning("leases not released", extra={"reason": error.reason})
