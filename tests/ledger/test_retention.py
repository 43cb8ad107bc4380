"""Retention: what is removed, and what stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.errors import GatewayError
from gateway.ledger.batch import Entry, KeyClaim, StoreError
from gateway.ledger.events import now, to_us
from gateway.ledger.reader import open_reader
from gateway.ledger.retention import Retention
from gateway.ledger.tree import Tree
from gateway.ledger.verification import verify
from gateway.ledger.writer import LedgerWriter
from gateway.telemetry import Health, Metrics, Tracing
from tests.ledger.making import Database
from tests.ledger.records import begun, ended, running_operation

DAY_S = 86400.0
OLD = "2026-01-01T00:00:00.000000Z"
FAR_US = 2**62


def old(call: str, **changes: Any) -> list[Entry]:
    """Return the events of an old call."""
    return [begun(call, time=OLD, **{"due_us": None, "outcome": "ok"} | changes)]


class Kept:
    """A ledger whose tree is built, with its retention."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = database.store()
        metrics = Metrics(Resource.create())
        self.writer = LedgerWriter(self.store, metrics, Health({}), capacity=10, when_full="drop")
        self.tree = Tree(self.store, "ledger", None, None, Tracing())

    async def commit(self, *entries: Entry) -> None:
        await self.store.commit(entries)
        await self.tree.grow()

    async def apply(self, retention_s: float = DAY_S) -> int:
        return await Retention(self.store, self.writer, self.tree, retention_s).apply()

    async def left(self) -> list[int]:
        return [seq for (seq,) in await self.database.read("SELECT seq FROM ledger_events ORDER BY seq")]

    async def holds(self) -> bool:
        async with open_reader(self.database.url) as reader:
            result = await verify(reader, (), ())
        assert result.findings == []
        return True


@pytest.fixture
async def kept(database: Database) -> Kept:
    made = Kept(database)
    await made.writer.start()
    database.stack.push_async_callback(made.writer.close)
    return made


async def test_old_events_are_removed_and_the_removal_is_recorded(kept: Kept) -> None:
    await kept.commit(*old("a"), *old("b"), begun("new", due_us=None, outcome="ok"))
    assert await kept.apply() == 2
    assert await kept.left() == [2, 3]
    assert await kept.database.calls("id") == [("new",)]
    ((body,),) = await kept.database.read("SELECT body FROM ledger_events WHERE seq = 3")
    event = json.loads(body)
    assert (event["kind"], event["id"], event["removed"]) == ("retention", "", 2)
    assert await kept.holds()


async def test_nothing_to_remove_makes_no_event(kept: Kept) -> None:
    assert await kept.apply() == 0
    await kept.commit(begun("new", due_us=None, outcome="ok"))
    assert await kept.apply() == 0
    assert await kept.left() == [0]


async def test_a_second_removal_counts_all_events(kept: Kept) -> None:
    await kept.commit(*old("a"), *old("b"))
    assert await kept.apply() == 2
    assert await kept.apply() == 2
    assert await kept.left() == [2]
    await kept.tree.grow()
    assert await kept.apply(2e-6) == 3  # the event of the first removal
    assert await kept.left() == [3]
    assert await kept.holds()


async def test_without_retention_everything_is_kept(kept: Kept) -> None:
    await kept.commit(*old("a"))
    assert await kept.apply(0) == 0
    assert await kept.left() == [0]


@pytest.mark.parametrize(
    "entries",
    [
        old("b", outcome="pending"),
        old("b", outcome="unknown"),
        [*old("b"), running_operation("b", "op-1")],
    ],
    ids=["pending", "unknown", "operation"],
)
async def test_calls_that_need_work_are_kept_with_all_later_events(kept: Kept, entries: list[Entry]) -> None:
    await kept.commit(*old("a"), *entries, *old("c"))
    assert await kept.apply() == 1
    assert (await kept.left())[0] == 1
    assert ("b",) in await kept.database.calls("id")
    assert await kept.holds()


async def test_events_that_are_not_in_the_tree_are_kept(kept: Kept) -> None:
    await kept.commit(*old("a"))
    await kept.store.commit(old("b"))
    assert await kept.apply() == 1
    assert await kept.left() == [1, 2]
    await kept.tree.grow()
    assert await kept.holds()


async def test_later_events_of_a_removed_call_break_nothing(kept: Kept) -> None:
    await kept.commit(*old("a"), ended("a", outcome="ok", code="OK"))
    assert await kept.apply() == 1
    assert await kept.left() == [1, 2]
    assert await kept.holds()


async def test_expired_keys_are_removed_and_others_stay_with_their_calls(kept: Kept) -> None:
    time_us = to_us(now())
    await kept.commit(
        *old("a", claim=KeyClaim("expired", "a", "r", time_us - 1, 0)),
        *old("b"),
        *old("c", claim=KeyClaim("valid", "c", "r", FAR_US, 0)),
        *old("d"),
    )
    assert await kept.apply() == 2
    assert await kept.database.read("SELECT key FROM ledger_keys") == [("valid",)]
    assert await kept.database.calls("id") == [("c",), ("d",)]  # the reply to the key can still be repeated


async def test_nothing_is_removed_if_the_removal_cannot_be_recorded(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("full")

    await kept.commit(*old("a"))
    monkeypatch.setattr(kept.store, "commit", fail)
    with pytest.raises(GatewayError):
        await kept.apply()
    assert await kept.left() == [0]


async def test_a_removal_that_was_recorded_but_not_made_is_made_later(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.commit(*old("a"), *old("b"))
    transactions, used = kept.store.transaction, 0

    def transaction() -> Any:
        nonlocal used
        used += 1
        if used == 2:
            raise StoreError("down")
        return transactions()

    monkeypatch.setattr(kept.store, "transaction", transaction)
    with pytest.raises(StoreError):
        await kept.apply()
    monkeypatch.undo()
    assert await kept.left() == [0, 1, 2]
    assert await kept.holds()
    assert await kept.apply() == 2
    assert await kept.left() == [2, 3]
    assert await kept.holds()
