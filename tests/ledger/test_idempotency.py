"""The scope of a key, the hash of a request, and the earlier call that has the key."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

import pytest

from gateway.call import Caller
from gateway.ledger.batch import Entry
from gateway.ledger.columns import EventRow
from gateway.ledger.idempotency import (
    already_made,
    find_earlier_call,
    has_own_key,
    hash_key,
    hash_request,
    key_reused,
    still_under_way,
)
from gateway.ledger.leases import Leases
from gateway.schema import Schema
from tests.ledger.calls import CREATE, make_call
from tests.ledger.making import Database, claiming, first


@pytest.mark.parametrize(("key", "expected"), [(None, False), ("", False), ("  ", False), ("k", True)])
async def test_whether_the_caller_sent_a_key(schema: Schema, key: str | None, *, expected: bool) -> None:
    assert has_own_key(make_call(schema, key=key)) is expected


async def test_a_key_is_scoped_to_its_caller(schema: Schema) -> None:
    hashes = [
        hash_key(make_call(schema, key="k", caller=caller, authorization=credential))
        for caller in (
            Caller(),
            Caller(id="a", kind="jwt"),
            Caller(id="a", kind="mtls"),
            Caller(id="b", kind="jwt"),
        )
        for credential in (None, "Bearer a", "Bearer b")
    ]
    assert len(set(hashes[:3])) == 3  # anonymous callers: one scope for each credential
    assert [len(set(hashes[start : start + 3])) for start in (3, 6, 9)] == [
        1,
        1,
        1,
    ]  # a new token is no new caller
    assert len(set(hashes)) == 6


async def test_no_caller_can_imitate_the_scope_of_another(schema: Schema) -> None:
    one = hash_key(make_call(schema, key='b", "c', caller=Caller(id="a", kind="jwt")))
    two = hash_key(make_call(schema, key="c", caller=Caller(id='a", "b', kind="jwt")))
    assert one != two
    assert hash_key(make_call(schema, key="k", authorization=b"x")) == hash_key(
        make_call(schema, key="k", authorization="x")
    )


async def test_the_hash_is_of_the_key_that_the_caller_sent(schema: Schema) -> None:
    call = make_call(schema, key="k")
    assert hash_key(replace(call, idempotency_key="derived")) == hash_key(call)


async def test_equal_requests_have_one_hash(schema: Schema) -> None:
    new = schema.methods[CREATE].request
    one = new(name="n", labels={"a": "1", "b": "2"})
    assert hash_request(CREATE, one) == hash_request(CREATE, new(labels={"b": "2", "a": "1"}, name="n"))
    assert hash_request(CREATE, one) != hash_request(CREATE, new(name="n"))
    assert hash_request(CREATE, one) != hash_request(CREATE + "2", one)


async def test_a_free_key_has_no_earlier_call(database: Database) -> None:
    assert await find_earlier_call(await database.open(), "k") is None


async def test_a_call_under_way(database: Database) -> None:
    store = await database.open()
    leases = Leases(store, "r1", 60)
    await leases.acquire_own()
    await store.commit([claiming("c"), first("other")])
    async with store.transaction() as session:
        await session.fetch("UPDATE ledger_calls SET owner = 'r1'")
    earlier = await find_earlier_call(store, "k")
    assert earlier is not None
    assert (earlier.id, earlier.request, earlier.is_under_way, earlier.is_settled) == ("c", "r", True, False)
    await leases.release()
    earlier = await find_earlier_call(store, "k")
    assert earlier is not None
    assert not earlier.is_under_way


@pytest.mark.parametrize("outcome", ["ok", "error", "pending", "unknown"])
async def test_the_reply_of_an_earlier_call(database: Database, outcome: str) -> None:
    store = await database.open()
    entry = claiming("c")
    assert entry.row is not None
    entry.row = entry.row._replace(outcome=outcome, resource_id="i", owner=None)
    bodies = [
        ("outcome", {}),
        ("settlement", {"reply": b64encode(b"one").decode()}),
        ("operation", {"reply": "no"}),
    ]
    events = [Entry(event=EventRow("c", kind, 1, json.dumps(body))) for kind, body in bodies]
    await store.commit([entry, *events])
    earlier = await find_earlier_call(store, "k")
    assert earlier is not None
    assert earlier.is_settled is (outcome in {"ok", "error"})
    assert (earlier.reply, earlier.resource_id) == (b"one" if outcome == "ok" else None, "i")
    assert not earlier.is_under_way


def test_the_errors() -> None:
    assert (key_reused().code.name, key_reused().reason) == ("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
    assert still_under_way().code.name == "DEADLINE_EXCEEDED"
    assert already_made("i").metadata == {"resource_id": "i"}
    assert already_made(None).metadata == {}
    assert not any(one.may_have_acted for one in (key_reused(), still_under_way(), already_made(None)))


async def test_passed_metadata_may_be_a_credential(schema: Schema) -> None:
    call = make_call(schema, key="k")
    calls = [replace(call, metadata={**call.metadata, "x-token": token}) for token in ("a", "b", "a")]
    calls.append(replace(call, metadata={**call.metadata, "x-client-request-id": "one"}))
    one, other, again, harmless = map(hash_key, calls)
    assert one == again
    assert one != other
    assert harmless == hash_key(call) != one
