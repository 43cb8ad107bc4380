"""Settlement by an operator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.ledger.batch import Store
from gateway.ledger.leases import Leases
from gateway.ledger.manual_settlement import MAX_REASON, SettlementError, make_settlement, settle_now
from gateway.ledger.work import Work
from tests.ledger.making import Database, claim_of, claiming
from tests.ledger.records import begun


async def settle(store: Store, key: str, outcome: str = "ok", reason: str = "seen") -> bool:
    return await settle_now(store, Work(store, ""), key, outcome, reason=reason, user="root")


async def last_event(database: Database) -> dict[str, Any]:
    ((body,),) = await database.read("SELECT body FROM ledger_events ORDER BY seq DESC LIMIT 1")
    event: dict[str, Any] = json.loads(body)
    return event


@pytest.mark.parametrize("outcome", ["pending", "unknown"])
@pytest.mark.parametrize("key", ["call-1", "request-call-1"])
async def test_an_open_call_becomes_ok(database: Database, outcome: str, key: str) -> None:
    store = await database.open()
    await store.commit([begun("call-1", outcome=outcome, code="DEADLINE_EXCEEDED")])
    assert await settle(store, key)
    assert await database.calls("outcome, code, owner, due_us") == [("ok", "OK", None, None)]
    event = await last_event(database)
    assert (event["kind"], event["by"], event["user"], event["reason"]) == (
        "settlement",
        "operator",
        "root",
        "seen",
    )


async def test_an_error_keeps_its_code_and_frees_the_key(database: Database) -> None:
    store = await database.open()
    entry = begun("call-1", outcome="unknown", code="DEADLINE_EXCEEDED", claim=claim_of("call-1"))
    await store.commit([entry])
    assert await settle(store, "call-1", "error")
    assert await database.calls("outcome, code") == [("error", "DEADLINE_EXCEEDED")]
    assert await store.commit([claiming("call-2")]) == []


async def test_a_call_that_is_ok_keeps_its_key(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1", claim=claim_of("call-1"))])
    assert await settle(store, "call-1", "ok")
    other = claiming("call-2")
    assert await store.commit([other]) == [other]


@pytest.mark.parametrize("outcome", ["ok", "error", "denied", "refused", "invalid"])
async def test_a_call_whose_outcome_is_known_is_not_settled(database: Database, outcome: str) -> None:
    store = await database.open()
    await store.commit([begun("call-1", outcome=outcome)])
    with pytest.raises(SettlementError, match="no call 'call-1' is without a known outcome"):
        await settle(store, "call-1")


@pytest.mark.parametrize("outcome", ["", "unknown", "pending", "OK"])
async def test_other_outcomes_are_refused(database: Database, outcome: str) -> None:
    store = await database.open()
    await store.commit([begun("call-1")])
    with pytest.raises(SettlementError, match="is not ok or error"):
        await settle(store, "call-1", outcome)


async def test_an_id_of_several_calls_is_refused(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1", call_id="same"), begun("call-2", call_id="same")])
    with pytest.raises(SettlementError, match=r"several calls.*call-1, call-2"):
        await settle(store, "same")
    assert await settle(store, "call-2")
    assert await settle(store, "same")


async def test_a_call_that_a_live_replica_carries_out_is_not_settled(database: Database) -> None:
    store = await database.open()
    await Leases(store, "live", 60).acquire_own()
    await store.commit([begun("call-1", owner="live")])
    with pytest.raises(SettlementError, match="no call"):
        await settle(store, "call-1")


async def test_a_call_that_is_claimed_in_the_meantime_is_left_alone(database: Database) -> None:
    store = await database.open()
    await Leases(store, "live", 60).acquire_own()
    await store.commit([begun("call-1")])
    entry = await make_settlement(Work(store, ""), "call-1", "ok", "seen", "root")
    await Work(store, "live").claim(1)
    assert await store.commit([entry]) == [entry]
    assert await database.calls("outcome") == [("pending",)]


async def test_a_reason_is_redacted_and_bounded(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1")])
    reason = "see https://h/b?X-Amz-Signature=0123 " + "x" * 5000
    assert await settle(store, "call-1", reason=reason)
    event = await last_event(database)
    assert "0123" not in event["reason"]
    assert len(event["reason"]) == MAX_REASON
