"""The keeper: tree, checkpoints and retention, in one replica at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.ledger.batch import Store
from gateway.ledger.keeper import LEASE, Keeper
from gateway.ledger.leases import Leases
from gateway.ledger.retention import Retention
from gateway.ledger.tree import Tree
from gateway.ledger.writer import LedgerWriter
from gateway.telemetry import Health, Metrics, Tracing
from tests.ledger.making import Database
from tests.ledger.records import begun
from tests.waiting import GENEROUS_S

OLD = "2026-01-01T00:00:00.000000Z"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ledger.keeper.INTERVAL_S", 0.02)


@asynccontextmanager
async def keeping(
    database: Database, name: str = "me", *, interval_s: float = 0.02, retention_s: float = 0
) -> AsyncIterator[tuple[Store, Keeper, Leases]]:
    """Run a keeper of its own replica."""
    store = database.store()
    writer = LedgerWriter(store, Metrics(Resource.create()), Health({}), capacity=10, when_full="drop")
    await writer.start()
    leases = Leases(store, name, 0.5)
    tree = Tree(store, "ledger", None, None, Tracing())
    keeper = Keeper(leases, writer, tree, Retention(store, writer, tree, retention_s), interval_s)
    task = asyncio.create_task(keeper.run())
    try:
        yield store, keeper, leases
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await writer.close()


async def until(database: Database, sql: str, expected: object) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while (found := await database.read(sql)) != [(expected,)]:
            assert found is not None
            await asyncio.sleep(0.02)


SIZE = "SELECT size FROM ledger_tree"
NEWEST = "SELECT max(size) FROM ledger_checkpoints"


async def test_events_are_added_and_checkpoints_are_made(database: Database) -> None:
    async with keeping(database) as (store, _, _):
        for size in (1, 2):
            await store.commit([begun(f"call-{size}", due_us=None)])
            await until(database, SIZE, size)
            await until(database, NEWEST, size)


async def test_checkpoints_are_made_at_their_interval_and_at_the_end(database: Database) -> None:
    async with keeping(database, interval_s=3600) as (store, keeper, _):
        await store.commit([begun("call-1", due_us=None)])
        await until(database, SIZE, 1)
        assert await database.read(NEWEST) == [(None,)]
        await store.commit([begun("call-2", due_us=None)])
        await keeper.finish()
        assert await database.read(NEWEST) == [(2,)]


async def test_old_events_are_removed(database: Database) -> None:
    async with keeping(database, retention_s=86400) as (store, _, _):
        await until(database, "SELECT count(*) FROM ledger_leases", 1)
    async with keeping(database, retention_s=86400) as (store, _, _):
        await store.commit([begun("call-1", time=OLD, due_us=None, outcome="ok")])
        await until(database, "SELECT count(*) FROM ledger_tree WHERE size > 0", 1)  # or removed already
    async with keeping(database, retention_s=86400):
        await until(database, "SELECT pruned FROM ledger_tree", 1)


async def test_one_replica_keeps_the_tree_and_another_one_continues(postgres_database: Database) -> None:
    async with keeping(postgres_database, "second") as (_, second, _):
        holder = await postgres_database.read(f"SELECT owner FROM ledger_leases WHERE name = '{LEASE}'")  # noqa: S608
        while not holder:
            await asyncio.sleep(0.02)
            holder = await postgres_database.read("SELECT owner FROM ledger_leases")
        assert holder == [("second",)]
        async with keeping(postgres_database, "first") as (store, first, leases):
            assert await leases.acquire(LEASE) is None
            await store.commit([begun("call-1", due_us=None)])
            await first.finish()
            await until(postgres_database, SIZE, 1)
            assert second is not first
    async with keeping(postgres_database, "third") as (store, _, _):  # after the lease
        await store.commit([begun("call-2", due_us=None)])
        await until(postgres_database, SIZE, 2)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger_tree SET edge = ''",
        "DELETE FROM ledger_tree",
        "DELETE FROM ledger_events WHERE seq = 1",
    ],
)
async def test_a_damaged_tree_is_reported_once_and_ends_nothing(
    database: Database, logs: pytest.LogCaptureFixture, damage: str
) -> None:
    async with keeping(database, interval_s=3600) as (store, keeper, _):
        await store.commit([begun("call-1", due_us=None)])
        await until(database, SIZE, 1)
        await database.change("UPDATE ledger_leases SET owner = 'other', until_us = 9000000000000000")
        await store.commit([begun("call-2", due_us=None), begun("call-3", due_us=None)])
        await asyncio.sleep(0.1)
        await database.change(damage)
        await database.change("DELETE FROM ledger_leases")
        async with asyncio.timeout(GENEROUS_S):
            while "Merkle tree of the ledger not built" not in logs.text:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        await keeper.finish()
    assert logs.text.count("Merkle tree of the ledger not built") == 1
