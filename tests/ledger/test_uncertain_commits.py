"""Callers whose entries may or may not have been committed."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Code, GatewayError
from gateway.ledger.batch import StoreError, WithdrawnError
from gateway.telemetry import Status
from tests.ledger.making import Database, claiming, first
from tests.ledger.writing import Writing, hold, is_unavailable
from tests.waiting import wait_for


async def test_a_caller_waits_until_an_uncertain_commit_is_clear(writing: Writing) -> None:
    writing.store.end_failure = StoreError("lost", is_uncertain=True)
    task = asyncio.create_task(writing.write(first("c")))
    await wait_for(lambda: writing.condition()[0] is not Status.OK)
    assert not task.done()
    writing.store.end_failure = None
    assert await task
    ((entry,),) = writing.store.groups
    assert entry.is_doubtful
    assert writing.refused == []


async def test_a_caller_that_waits_in_vain_for_an_uncertain_commit_is_not_told_that_nothing_was_committed(
    writing: Writing,
) -> None:
    """If the intent was committed and this process ended now, another one would make the change."""
    writing.store.end_failure = StoreError("lost", is_uncertain=True)
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"), 0.1)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    writing.store.end_failure = None
    await wait_for(lambda: writing.refused == [("c", True)])


async def test_a_caller_that_stops_waiting_before_the_commit_is_left_out(writing: Writing) -> None:
    await hold(writing)
    stays = asyncio.create_task(writing.write(first("stays")))
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("leaves"), 0.05)
    assert is_unavailable(caught.value)
    writing.store.free.set()
    assert await stays
    assert "leaves" not in writing.store.committed()


async def test_a_caller_that_stops_waiting_during_a_commit_leaves_nothing_committed(writing: Writing) -> None:
    writing.store.free.clear()
    stays = asyncio.create_task(writing.write(first("stays")))
    leaves = asyncio.create_task(writing.write(first("leaves"), 0.05))
    await wait_for(lambda: writing.store.waiting)  # both are in the group
    with pytest.raises(GatewayError) as caught:
        await leaves
    assert is_unavailable(caught.value)
    writing.store.free.set()
    assert await stays
    assert writing.store.committed() == ["stays"]
    assert writing.refused == [("leaves", False)]


async def test_a_store_commits_nothing_if_a_caller_has_left(database: Database) -> None:
    store = await database.open()
    stays, leaves = first("stays"), first("leaves")
    stays.written = leaves.written = asyncio.get_running_loop().create_future()
    leaves.written = asyncio.get_running_loop().create_future()
    leaves.is_withdrawn = True
    with pytest.raises(WithdrawnError):
        await store.commit([stays, leaves])
    assert await database.sequence() == []
    assert not stays.is_ending
    await store.commit([stays])
    assert await database.sequence() == [(0, "stays")]
    assert stays.is_ending


async def test_a_claim_that_was_committed_is_not_lost_when_it_is_committed_again(
    postgres_database: Database,
) -> None:
    store = await postgres_database.open()
    entry = claiming("c")
    assert await store.commit([entry]) == []
    entry.is_doubtful = True
    assert await store.commit([entry]) == []
    assert await postgres_database.sequence() == [(0, "c")]


async def test_a_correction_does_not_replace_what_another_replica_has_found_out(database: Database) -> None:
    store = await database.open()
    await store.commit([first("c")])
    async with store.transaction() as session:
        await session.fetch("UPDATE ledger_calls SET epoch = 1, outcome = 'ok'")
    correction = first("c", outcome="refused", code="UNAVAILABLE")
    correction.fence = 0
    assert await store.commit([correction]) == [correction]
    other = first("new", outcome="refused", code="UNAVAILABLE")
    other.fence = 0
    assert await store.commit([other]) == []
    assert await database.calls() == [("c", "ok"), ("new", "refused")]
