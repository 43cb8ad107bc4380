"""Leases, with the clock of each database."""

from __future__ import annotations

import asyncio

import pytest

from gateway.ledger.batch import Store, StoreError
from gateway.ledger.leases import Leases
from tests.ledger.making import Database, first
from tests.ledger.stores import HeldStore
from tests.waiting import wait_for


async def test_one_replica_holds_a_lease(database: Database) -> None:
    store = await database.open()
    one, two = Leases(store, "r1", 60), Leases(store, "r2", 60)
    assert await one.acquire("task") == 1
    assert await two.acquire("task") is None
    assert await one.acquire("task") == 1  # renewed
    assert await two.acquire("other task") == 1


async def test_a_lease_that_has_expired_gets_a_new_epoch(database: Database) -> None:
    store = await database.open()
    one, two = Leases(store, "r1", 0.001), Leases(store, "r2", 60)
    assert await one.acquire("task") == 1
    await asyncio.sleep(0.01)
    assert await two.acquire("task") == 2
    assert await one.acquire("task") is None


async def test_a_released_lease_is_free(database: Database) -> None:
    store = await database.open()
    one, two = Leases(store, "r1", 60), Leases(store, "r2", 60)
    await one.acquire("task")
    await two.acquire("of two")
    await two.release()
    assert await two.acquire("task") is None
    await one.release()
    assert await two.acquire("task") == 1


async def owner_and_epoch(database: Database) -> tuple[object, ...]:
    (row,) = await database.calls("owner, epoch")
    return row


async def test_only_calls_that_nobody_handles_are_taken_over(database: Database) -> None:
    store = await database.open()
    one, two = Leases(store, "r1", 60), Leases(store, "r2", 60)
    await one.acquire_own()
    await store.commit([first("c", owner="r1")])
    assert await two.take_over("c") is None
    assert await one.take_over("c") is None  # by its own replica neither
    await one.release()
    assert await two.take_over("c") == 1
    assert await owner_and_epoch(database) == ("r2", 1)
    await two.acquire_own()
    assert await one.take_over("c") is None


async def test_a_call_without_an_owner_is_taken_over_once(database: Database) -> None:
    store = await database.open()
    leases = [Leases(store, f"r{number}", 60) for number in range(5)]
    await asyncio.gather(*(one.acquire_own() for one in leases))
    await store.commit([first("c", owner=None)])
    found = await asyncio.gather(*(one.take_over("c") for one in leases))
    assert sorted(found, key=str) == [1, None, None, None, None]


@pytest.mark.parametrize("outcome", ["ok", "error", "refused", "denied", "invalid"])
async def test_a_settled_call_is_not_taken_over(database: Database, outcome: str) -> None:
    store = await database.open()
    await store.commit([first("c", owner=None, outcome=outcome)])
    assert await Leases(store, "r1", 60).take_over("c") is None
    assert await Leases(store, "r1", 60).take_over("unknown") is None


async def test_a_cancelled_takeover_leaves_no_owner(database: Database) -> None:
    store = await database.open()
    leases = Leases(store, "r1", 60)
    await leases.acquire_own()
    await store.commit([first("c", owner=None)])
    for steps in range(40):
        await check_cancelled(leases, steps / 10_000)
        if (await owner_and_epoch(database))[0] is not None:
            raise AssertionError(f"owned after {steps / 10} ms")


async def check_cancelled(leases: Leases, pause_s: float) -> None:
    task = asyncio.create_task(leases.take_over("c"))
    await asyncio.sleep(pause_s)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.result() is not None:  # it was faster, so it is the owner
        await leases._give_up("c")  # noqa: SLF001 - as the end of the call would


async def test_the_own_lease_is_renewed_after_failures(logs: pytest.LogCaptureFixture) -> None:
    store = HeldStore()
    leases = Leases(store, "r1", 0.003)
    task = asyncio.create_task(leases.renew())
    await wait_for(lambda: len(store.statements) > 2)
    store.failure = StoreError("down")
    await wait_for(lambda: "lease of the replica not renewed" in logs.text)
    store.failure = None
    count = len(store.statements)
    await wait_for(lambda: len(store.statements) > count)
    task.cancel()
    await asyncio.wait([task])


async def test_a_release_that_fails_does_not_stop_the_stop(logs: pytest.LogCaptureFixture) -> None:
    store = HeldStore()
    store.failure = StoreError("down")
    checked: Store = store
    await Leases(checked, "r1", 1).release()
    assert "leases not released" in logs.text
