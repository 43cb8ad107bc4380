"""The parts of the ledger of one gateway: which database a URL names, and how it starts and stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.config.ledger import LedgerSection
from gateway.faults import FaultsError
from gateway.ledger import service as service_module
from gateway.ledger.postgres_store import PostgresStore
from gateway.ledger.service import SQLITE_LEASE_S, LedgerService, open_store
from gateway.ledger.sqlite_store import SqliteStore
from gateway.telemetry import Health, Metrics, Status, Tracing
from tests.ledger.making import Database
from tests.waiting import wait_for


def make_service(url: str, health: Health | None = None) -> LedgerService:
    section = LedgerSection.model_construct(url=url)  # also a URL that the configuration refuses
    return LedgerService(section, Metrics(Resource.create()), health or Health(), Tracing())


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:///ledger.db", SqliteStore),
        ("sqlite:////var/lib/ledger.db", SqliteStore),
        ("postgresql://me:pa55@db:5432/ledger", PostgresStore),
        ("postgres://me@db/ledger", PostgresStore),
    ],
    ids=["relative", "absolute", "postgresql", "postgres"],
)
def test_the_database_of_a_url(url: str, kind: type) -> None:
    assert isinstance(open_store(LedgerSection(url=url)), kind)


async def test_a_start_and_a_stop(database: Database) -> None:
    health = Health()
    service = make_service(database.url, health)
    await service.start()
    replica = f"replica:{service.leases.replica}"
    assert await database.read("SELECT name FROM ledger_leases WHERE name <> 'tree'") == [(replica,)]
    assert [(one.name, one.status) for one in health.conditions] == [("ledger", Status.OK)]
    await service.stop()
    await service.stop()
    assert await database.read("SELECT name FROM ledger_leases") == []


async def test_each_start_is_a_replica_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    assert make_service(url).leases.replica != make_service(url).leases.replica
    assert SQLITE_LEASE_S > 86400 * 365


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:pa55word@db:5432/led%20ger", "postgresql://db:5432/led ger"),
        ("postgresql://me:pa55word@db/ledger?password=pa55word", "postgresql://db/ledger"),
        ("postgresql://me:pa55word@a:1,b:2/ledger", "postgresql://a:1,b:2/ledger"),
        ("postgresql://me:pa55word@db:port/ledger", "postgresql://db:port/ledger"),
        ("postgresql:///ledger?host=/run&password=pa55word", "postgresql:///ledger"),
        ("postgresql://me:pa55word/x@db/ledger", "postgresql://db/ledger"),
        ("postgresql://me:pa55word?x@db/ledger", "postgresql://"),
        ("postgresql://me@db/ledger?password=x@pa55word", "postgresql://"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
    ],
    ids=["port", "query", "hosts", "no-port", "socket", "slash", "mark", "at", "sqlite"],
)
def test_a_fault_names_the_database_without_its_password(url: str, place: str) -> None:
    fault = str(make_service(url).fault("why"))
    assert place in fault
    assert "ledger.url" in fault
    assert "pa55word" not in fault


async def test_a_refused_database_is_a_fault_and_is_closed(database: Database) -> None:
    await database.change("CREATE TABLE ledger_calls (id text)")
    service = make_service(database.url)
    with pytest.raises(FaultsError, match=r"ledger\.url.*not the ledger of a gateway"):
        await service.start()
    await service.stop()
    await database.change("DROP TABLE ledger_calls")
    again = make_service(database.url)
    await again.start()
    await again.stop()


async def test_the_lease_of_a_replica_is_in_the_future(database: Database) -> None:
    service = make_service(database.url)
    await service.start()
    async with service.store.transaction() as session:
        ((is_live,),) = await session.fetch(
            f"SELECT until_us > {service.store.now_us} FROM ledger_leases WHERE name <> 'tree'"  # noqa: S608 - constants
        )
    assert is_live
    await service.stop()


async def test_a_background_task_that_fails_is_started_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "RESTART_S", 0.0)
    service, starts = make_service(sqlite_database.url), []
    await service.start()

    async def work() -> None:
        starts.append(1)
        if len(starts) < 3:
            raise KeyError("a fault")
        await asyncio.sleep(3600)

    service.run(work)
    await wait_for(lambda: len(starts) == 3)
    await service.stop()
