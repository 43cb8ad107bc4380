"""The keeper: builds the Merkle tree, makes checkpoints and applies retention, in one replica at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.errors import GatewayError
from gateway.ledger.batch import StoreError
from gateway.ledger.tree import TreeError

if TYPE_CHECKING:
    from gateway.ledger.leases import Leases
    from gateway.ledger.retention import Retention
    from gateway.ledger.tree import Tree
    from gateway.ledger.writer import LedgerWriter

_log = logging.getLogger(__name__)

LEASE = "tree"
"""The name of the lease that the keeper needs."""
INTERVAL_S = 1.0
"""The time between two looks for new events, in seconds."""
RETENTION_S = 3600.0
"""The time between two removals of old events, in seconds."""


class Keeper:
    """Does the work on the whole ledger that only one replica may do."""

    def __init__(
        self,
        leases: Leases,
        writer: LedgerWriter,
        tree: Tree,
        retention: Retention,
        checkpoint_interval_s: float,
    ) -> None:
        self._leases = leases
        self._writer = writer
        self._tree = tree
        self._retention = retention
        self._checkpoint_interval_s = checkpoint_interval_s
        self._failure = ""

    async def run(self) -> None:
        """Do the work again and again. This coroutine runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        checkpoint_at, retention_at = loop.time() + self._checkpoint_interval_s, loop.time()
        while True:
            if not self._writer.is_failing:
                try:
                    if await self._grow():
                        if loop.time() >= retention_at:
                            retention_at = loop.time() + RETENTION_S
                            await self._retention.apply()
                        if loop.time() >= checkpoint_at:
                            checkpoint_at = loop.time() + self._checkpoint_interval_s
                            await self._tree.make_checkpoint()
                    self._failure = ""
                except (StoreError, TreeError, GatewayError) as error:
                    self._report(str(error))
            await asyncio.sleep(INTERVAL_S)

    async def finish(self) -> None:
        """Add the last events to the tree, and make a last checkpoint."""
        try:
            if await self._grow():
                await self._tree.make_checkpoint()
        except (StoreError, TreeError, GatewayError) as error:
            self._report(str(error))

    async def _grow(self) -> bool:
        """Add all new events to the tree. Return whether this replica is the one that does so."""
        if await self._leases.acquire(LEASE) is None:
            return False
        while await self._tree.grow():
            pass
        return True

    def _report(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            _log.warning("Merkle tree of the ledger not built", extra={"reason": reason})
