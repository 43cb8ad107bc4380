"""The calls that need work: which replica may claim them, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.ledger.batch import Store
from gateway.ledger.events import now, to_us
from gateway.ledger.leases import Leases
from gateway.ledger.work import LONGEST_WAIT_S, OpenCall, Work
from tests.ledger.making import Database
from tests.ledger.records import CREATE, begun, ended, intent_of, running_operation

HOUR_US = 3_600_000_000


async def replica(store: Store, name: str, lease_s: float = 60) -> Work:
    await Leases(store, name, lease_s).acquire_own()
    return Work(store, name)


def ids(calls: list[OpenCall]) -> list[str]:
    return sorted(call.id for call in calls)


async def test_calls_that_are_due_are_claimed_once(database: Database) -> None:
    store = await database.open()
    await store.commit(
        [
            begun("open"),
            begun("unknown", outcome="unknown"),
            begun("operation"),
            running_operation("operation", "op-1"),
            begun("settled", due_us=None, outcome="ok"),
            begun("later", due_us=to_us(now()) + 20_000_000),
        ]
    )
    first, second = await replica(store, "first"), await replica(store, "second")
    assert ids(await first.claim(10)) == ["open", "operation", "unknown"]
    assert await first.claim(10) == []
    assert await second.claim(10) == []


async def test_two_replicas_share_the_calls(database: Database) -> None:
    stores = [await database.open()] * 2 if database.dialect == "sqlite" else []
    stores = stores or [await database.open(), await database.open()]
    await stores[0].commit([begun(f"call-{number}") for number in range(60)])
    works = [await replica(store, f"replica-{number}") for number, store in enumerate(stores)]
    found = await asyncio.gather(*(work.claim(7) for _ in range(6) for work in works))
    claimed = [call.id for calls in found for call in calls]
    assert len(claimed) == len(set(claimed)) == 60


async def test_open_calls_come_before_operations(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("a"), running_operation("a", "op-1"), begun("b"), begun("c")])
    work = await replica(store, "me")
    assert ids(await work.claim(2)) == ["b", "c"]
    assert ids(await work.claim(2)) == ["a"]


async def test_what_is_known_about_a_claimed_call(database: Database) -> None:
    store = await database.open()
    entry = begun("call-1", intent=intent_of(traceparent="00-1-2-3"))
    await store.commit([entry])
    (call,) = await (await replica(store, "me")).claim(1)
    assert (call.id, call.epoch, call.tries, call.call_id) == ("call-1", 1, 0, "request-call-1")
    assert (call.method, call.outcome, call.operation_id) == (CREATE, "pending", None)
    assert (call.time_us, call.intent["is_followed"]) == (entry.event.time_us, True)
    assert call.trace_headers == {"traceparent": "00-1-2-3"}


async def test_a_call_of_a_live_replica_is_not_claimed(database: Database) -> None:
    store = await database.open()
    await replica(store, "first")
    await store.commit([begun("call-1", owner="first"), begun("call-2", owner="ended")])
    second = await replica(store, "second")
    assert ids(await second.claim(10)) == ["call-2"]
    assert ids(await second.list_open(10)) == []
    assert await second.find_open("call-1") == []
    await Leases(store, "first", 60).release()
    assert ids(await second.list_open(10)) == ["call-1"]
    assert ids(await second.claim(10)) == ["call-1"]


async def test_after_the_lease_another_replica_claims_the_call_with_a_higher_epoch(
    database: Database,
) -> None:
    store = await database.open()
    await store.commit([begun("call-1")])
    (old,) = await (await replica(store, "first", 0.2)).claim(1)
    second = await replica(store, "second")
    assert await second.claim(1) == []
    await asyncio.sleep(0.3)
    (new,) = await second.claim(1)
    assert (old.epoch, new.epoch) == (1, 2)
    late = ended("call-1", outcome="ok")
    late.fence = old.epoch
    assert await store.commit([late]) == [late]
    assert await database.calls("outcome, owner") == [("pending", "second")]
    await Work(store, "first").release([(old, 0)])
    assert await database.calls("owner, tries") == [("second", 0)]


async def test_a_released_call_is_due_later(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1")])
    work = await replica(store, "me")
    (call,) = await work.claim(1)
    await work.release([(call, 0.2)])
    assert await work.claim(1) == []
    await asyncio.sleep(0.3)
    (call,) = await work.claim(1)
    assert (call.tries, call.epoch) == (1, 2)
    await store.commit([ended("call-1", due_us=0, outcome="ok", code="OK")])
    (call,) = await work.claim(1)
    assert call.tries == 0  # an event starts a new count


async def test_a_call_that_is_due_in_the_far_future_was_recorded_by_a_wrong_clock(
    database: Database,
) -> None:
    store = await database.open()
    time_us = to_us(now())
    await store.commit(
        [
            begun("wrong", due_us=time_us + HOUR_US),
            begun("later", due_us=time_us + int(LONGEST_WAIT_S["settlement"] * 0.9e6)),
        ]
    )
    assert ids(await (await replica(store, "me")).claim(10)) == ["wrong"]


async def test_calls_that_were_held_for_too_long_are_given_up(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1"), begun("call-2", owner="me", due_us=to_us(now()))])
    work = await replica(store, "me")
    await work.claim(10)
    assert await work.release_abandoned(60) == 0
    await asyncio.sleep(0.05)
    assert await work.release_abandoned(0.01) == 2
    assert ids(await work.claim(10)) == ["call-1", "call-2"]
    assert await (await replica(store, "other")).release_abandoned(0) == 0


async def test_running_operations_are_found_by_their_ids(database: Database) -> None:
    store = await database.open()
    done = {"id": "op-1", "done": True, "code": "OK"}
    await store.commit(
        [begun("a"), running_operation("a", "op-1"), begun("b"), running_operation("b", "op-2")]
    )
    work = await replica(store, "me")
    assert ids(await work.find_running("op-1")) == ["a"]
    await store.commit([ended("a", kind="operation", operation=done)])
    assert await work.find_running("op-1") == []
    assert await work.find_running("") == []


async def test_open_calls_are_found_by_both_ids(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1"), begun("call-2", call_id="request-call-1"), begun("call-3")])
    work = Work(store, "")
    assert ids(await work.find_open("call-1")) == ["call-1"]
    assert ids(await work.find_open("request-call-1")) == ["call-1", "call-2"]
    assert await work.find_open("' OR 1=1 --") == []
    assert ids(await work.list_open(2)) == ["call-1", "call-2"]


@pytest.mark.parametrize(
    ("changes", "facts", "expected"),
    [
        ({}, {"outcome": "ok", "resource": {"id": "image"}}, "ok"),
        ({"name": "other"}, {"outcome": "ok", "resource": {"id": "image"}}, "ok"),
        ({}, {"outcome": "ok", "resource": {"id": "another"}}, None),
        ({}, {"outcome": "error", "resource": {"id": "image"}}, None),
        ({}, {"outcome": "unknown"}, "unknown"),
        ({}, {}, "pending"),
        ({"target": {"folder_id": "other", "name": "image-1"}}, {}, None),
        ({"target": {"folder_id": "b1gexample", "name": "image-2"}}, {}, None),
        ({"method": "other/Create"}, {}, None),
    ],
)
async def test_other_creates_that_may_have_made_an_image(
    database: Database, changes: dict[str, Any], facts: dict[str, Any], expected: str | None
) -> None:
    store = await database.open()
    await store.commit([begun("call-1"), begun("call-2", **changes), ended("call-2", **facts)])
    work = await replica(store, "me")
    call = next(call for call in await work.claim(10) if call.id == "call-1")
    assert await work.find_other_create(call, "image") == expected


async def test_the_numbers_of_open_calls(database: Database) -> None:
    store = await database.open()
    work = Work(store, "me")
    assert await work.count_open() == (0, 0, 0)
    await store.commit(
        [
            begun("a"),
            begun("b"),
            begun("c", outcome="unknown"),
            begun("d"),
            running_operation("d", "op-1"),
            begun("e", due_us=None, outcome="ok"),
        ]
    )
    assert await work.count_open() == (2, 1, 1)


@pytest.mark.parametrize("body", ["no JSON", "[]", "[" * 100_000])
async def test_a_call_whose_first_event_cannot_be_read_is_left_out(
    database: Database, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await database.open()
    await store.commit([begun("call-1"), begun("call-2")])
    await database.change(f"UPDATE ledger_events SET body = '{body}' WHERE call = 'call-1'")  # noqa: S608
    assert ids(await (await replica(store, "me")).claim(10)) == ["call-2"]
    assert "cannot be read" in caplog.text


async def test_own_calls_are_not_claimed_when_the_lease_has_expired(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("a", owner="r"), begun("b", owner="ended")])
    assert [call.id for call in await Work(store, "r").claim(10)] == ["b"]


async def test_a_clock_that_was_five_minutes_ahead_does_not_delay_a_settlement(database: Database) -> None:
    store = await database.open()
    ahead_us = to_us(now()) + 300_000_000
    await store.commit(
        [begun("a", due_us=ahead_us), begun("b"), running_operation("b", "op", due_us=ahead_us)]
    )
    assert [call.id for call in await Work(store, "r").claim(10)] == ["a"]


async def test_an_id_with_a_nul_character_can_be_looked_up(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("a"), running_operation("a", "op\0")])
    work = Work(store, "r")
    (call,) = await work.find_running("op\0")
    assert await work.find_other_create(call, "image\0") is None
