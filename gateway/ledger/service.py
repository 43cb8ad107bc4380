"""The parts of the ledger of one gateway, which are started and stopped together."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

from gateway.faults import Fault, FaultsError, Position
from gateway.ledger.batch import StoreError, StoreFormatError
from gateway.ledger.keeper import Keeper
from gateway.ledger.leases import Leases
from gateway.ledger.ledger import Ledger
from gateway.ledger.retention import Retention
from gateway.ledger.sqlite_store import SqliteStore
from gateway.ledger.tree import Tree
from gateway.ledger.writer import LedgerWriter
from gateway.tlog import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from gateway.config.ledger import LedgerSection
    from gateway.ledger.batch import Store
    from gateway.telemetry import Health, Metrics, Tracing

_log = logging.getLogger(__name__)

RESTART_S = 5.0
"""The time after which a background task that has failed is started again, in seconds."""
SQLITE_LEASE_S = 10 * 366 * 86400.0
"""The duration of leases in an SQLite ledger. Only one process uses it, and a start removes all leases."""


class LedgerService:
    """The ledger of one gateway with its background tasks.

    Attributes:
        ledger: the ledger, for the path of a call.
    """

    def __init__(
        self,
        section: LedgerSection,
        metrics: Metrics,
        health: Health,
        tracing: Tracing,
        own_services: frozenset[str] = frozenset(),
        *,
        is_observing: bool = False,
    ) -> None:
        """Create the parts. Nothing is opened yet.

        Args:
            section: the section of the configuration.
            metrics: the metrics of the gateway.
            health: the health of the gateway. It contains the condition `ledger`.
            tracing: the tracing that exports checkpoints.
            own_services: the full names of the services for whose calls the gateway can make further calls
                with credentials of its own.
            is_observing: whether the mode of all calls is `observe`.

        Raises:
            FaultsError: the signing key cannot be read.
        """
        self._section = section
        self.store = open_store(section)
        lease_s = SQLITE_LEASE_S if self.store.dialect == "sqlite" else section.lease_s
        self.leases = Leases(self.store, uuid4().hex, lease_s)
        consequence = "changes are forwarded without records" if is_observing else "changes are refused"
        self.writer = self._make_writer(metrics, health, consequence)
        self.ledger = Ledger(
            self.writer,
            self.store,
            self.leases,
            idempotency_retention_s=section.idempotency_retention,
            own_services=own_services,
        )
        tree = Tree(self.store, section.origin, _load_signer(section), section.checkpoints, tracing)
        retention = Retention(self.store, self.writer, tree, section.retention)
        self._keeper = Keeper(self.leases, self.writer, tree, retention, section.checkpoint_interval)
        self._tasks: list[asyncio.Task[None]] = []

    def _make_writer(self, metrics: Metrics, health: Health, consequence: str) -> LedgerWriter:
        return LedgerWriter(
            self.store,
            metrics,
            health,
            capacity=self._section.capacity,
            when_full=self._section.when_full,
            consequence=consequence,
        )

    @property
    def requests_path(self) -> Path | None:
        """The SQLite file whose folder of requests operators use; None for another database."""
        url = self._section.url
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None

    async def start(self) -> None:
        """Open the database, and start the background tasks.

        Raises:
            FaultsError: the database cannot be the ledger, or an SQLite file cannot be opened.
        """
        self.writer.on_open = self.leases.acquire_own
        try:
            await self.writer.start()
        except (StoreError, StoreFormatError) as error:
            await self.store.close()
            raise FaultsError([self.fault(str(error))]) from error
        self.run(self.leases.renew)
        self.run(self._keeper.run)

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a background task until the ledger stops. A task that fails is started again."""
        self._tasks.append(asyncio.create_task(_run_again(work)))

    async def stop_tasks(self) -> None:
        """Stop the background tasks. They must stop before the channels to the upstreams are closed."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def stop(self) -> None:
        """Stop the background tasks, commit the waiting events, and close the database."""
        await self.stop_tasks()
        await self.writer.close(before_close=self._finish)

    async def _finish(self) -> None:
        await self._keeper.finish()
        await self.leases.release()

    def fault(self, reason: str) -> Fault:
        """Return a fault of the database. It shows no password."""
        url = self._section.url
        place = url if url.startswith("sqlite") else _without_password(url)
        return Fault(Position(place), "ledger.url", reason)


async def _run_again(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - settlement and checkpoints must go on
            _log.error("a background task of the ledger has failed", exc_info=error)
        await asyncio.sleep(RESTART_S)


def open_store(section: LedgerSection) -> Store:
    """Return the database that a configuration names. The database is not opened yet."""
    if section.url.startswith("sqlite:///"):
        return SqliteStore(Path(section.url.removeprefix("sqlite:///")), section.durability)
    from gateway.ledger.postgres_store import PostgresStore  # noqa: PLC0415 - asyncpg is needed only here

    return PostgresStore(section.url, section.durability, prepares_statements=section.prepared_statements)


def _load_signer(section: LedgerSection) -> Signer | None:
    if section.signing_key is None:
        return None
    try:
        return Signer.load(section.signing_key.read_bytes(), section.origin)
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError as error:
        reason = str(error)
    raise FaultsError([Fault(Position(str(section.signing_key)), "ledger.signing_key", reason)])


def _without_password(url: str) -> str:
    """Return the hosts and the database of a URL, which may be malformed: a password may have `@` or `?`."""
    scheme, _, rest = url.partition("://")
    before, _, shown = rest.rpartition("@")
    return f"{scheme}://" if "?" in before else f"{scheme}://{unquote(shown.partition('?')[0])}"
