"""The ledger on the path of a call, without listeners."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Call, Reply
from gateway.config.ledger import LedgerSection
from gateway.errors import Code, GatewayError
from gateway.ledger import Intent, Ledger
from gateway.ledger.batch import Entry
from gateway.ledger.events import RETENTION, make_event
from gateway.ledger.leases import Leases
from gateway.ledger.service import LedgerService
from gateway.schema import Schema
from gateway.telemetry import Health, Metrics, Tracing
from tests.ledger.calls import OPERATION, make_call, make_record
from tests.ledger.making import Database
from tests.ledger.records import begun, ended
from tests.waiting import GENEROUS_S, wait_for


async def open_ledger(database: Database, **section: Any) -> LedgerService:
    given = LedgerSection(url=database.url, **section)
    service = LedgerService(given, Metrics(Resource.create()), Health(), Tracing())
    await service.start()
    database.stack.push_async_callback(service.stop)
    return service


@pytest.fixture
async def service(database: Database) -> LedgerService:
    return await open_ledger(database)


def reply_of(schema: Schema, operation: str = "op-1") -> Reply:
    return Reply(message=schema.message(OPERATION)(id=operation), metadata={})


async def begin(ledger: Ledger, schema: Schema, key: str | None = "k", **given: Any) -> Intent | Reply | None:
    call = make_call(schema, key=key, **{"name": "n"} | given)
    return await ledger.begin(call, make_record(call), call.request)


async def begin_intent(ledger: Ledger, schema: Schema, key: str | None = "k", **given: Any) -> Intent:
    intent = await begin(ledger, schema, key, **given)
    assert isinstance(intent, Intent)
    return intent


async def test_an_intent_is_committed_when_begin_returns(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    intent = await begin_intent(service.ledger, schema, None)
    assert await database.calls("id, outcome, owner") == [(intent.id, "pending", service.leases.replica)]
    assert intent.idempotency_key == "generated"
    intent.end(reply_of(schema), None)
    await service.stop()
    assert await database.calls("outcome, owner, operation_id") == [("ok", None, "op-1")]


async def test_only_harmless_requests_can_be_sent_again(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    await begin_intent(service.ledger, schema, None)
    await begin_intent(service.ledger, schema, None, authorization="Bearer x")
    rows = await database.read("SELECT body FROM ledger_events ORDER BY seq")
    first, second = (json.loads(body)["intent"] for (body,) in rows)
    assert first["is_followed"]
    assert first["request"]
    assert second.keys().isdisjoint({"is_followed", "request"})


@pytest.mark.parametrize(
    ("authorization", "is_own", "expected"),
    [(None, False, True), ("Bearer x", False, False), ("Bearer x", True, True), (None, True, True)],
)
async def test_credentials_of_the_gateways_own_replace_those_of_the_caller(
    database: Database, schema: Schema, authorization: str | None, *, is_own: bool, expected: bool
) -> None:
    service = await open_ledger(database)
    own = frozenset({"yandex.cloud.baremetal.v1alpha.ImageService"}) if is_own else frozenset[str]()
    ledger = Ledger(
        service.writer, service.store, service.leases, idempotency_retention_s=60, own_services=own
    )
    call = make_call(schema, authorization=authorization)
    assert ledger.can_follow(call) is expected
    passed = replace(call, metadata={**call.metadata, "x-folder": "f"})
    assert not ledger.can_follow(passed)  # such metadata is not kept


async def test_a_repetition_sends_the_key_of_the_first_call(service: LedgerService, schema: Schema) -> None:
    intent = await begin_intent(service.ledger, schema)
    intent.end(None, GatewayError(Code.UNAVAILABLE, "", "down", may_have_acted=True))
    call = replace(make_call(schema, key="k", name="n"), idempotency_key="derived since then")
    again = await service.ledger.begin(call, make_record(call), call.request)
    assert isinstance(again, Intent)
    assert (again.id, again.idempotency_key) == (intent.id, "k")
    again.end(reply_of(schema), None)


async def test_a_repetition_in_the_same_process(service: LedgerService, schema: Schema) -> None:
    intent = await begin_intent(service.ledger, schema)
    waiting = asyncio.create_task(begin(service.ledger, schema))
    await asyncio.sleep(0)
    intent.end(reply_of(schema), None)
    for found in (await waiting, await begin(service.ledger, schema)):
        assert isinstance(found, Reply)
        assert found.message == reply_of(schema).message


async def test_the_operation_is_read_again_if_the_reply_was_not_kept(
    service: LedgerService, schema: Schema
) -> None:
    intent = await begin_intent(service.ledger, schema)
    secret = reply_of(schema)
    operation = cast("Any", secret.message)
    operation.description = "https://storage.yandexcloud.net/b/k?X-Amz-Signature=" + "a" * 64
    intent.end(secret, None)
    call = make_call(schema, key="k", name="n")
    read: list[str] = []

    async def read_operation(given: Call, operation_id: str) -> Reply:
        assert given is call
        read.append(operation_id)
        return reply_of(schema)

    found = await service.ledger.begin(call, make_record(call), call.request, read_operation)
    assert isinstance(found, Reply)
    assert read == [operation.id]

    async def refuse(_: Call, __: str) -> Reply:
        raise GatewayError(Code.NOT_FOUND, "", "no such operation")

    with pytest.raises(GatewayError, match="no such operation"):
        await service.ledger.begin(call, make_record(call), call.request, refuse)
    with pytest.raises(GatewayError) as caught:
        await service.ledger.begin(call, make_record(call), call.request)
    assert caught.value.reason == "CHANGE_ALREADY_MADE"


async def test_another_request(service: LedgerService, schema: Schema) -> None:
    intent = await begin_intent(service.ledger, schema)
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            await begin(service.ledger, schema, name="other")
        assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"
        intent.end(reply_of(schema), None)


async def test_a_reply_that_is_not_kept(service: LedgerService, schema: Schema) -> None:
    intent = await begin_intent(service.ledger, schema)
    big = Reply(message=schema.message(OPERATION)(id="o", description="words " * 4000), metadata={})
    intent.end(big, None)
    with pytest.raises(GatewayError) as caught:
        await begin(service.ledger, schema)
    assert (caught.value.code, caught.value.reason) == (Code.ALREADY_EXISTS, "CHANGE_ALREADY_MADE")


@pytest.mark.parametrize("may_have_acted", [False, True])
async def test_after_an_error(
    service: LedgerService, database: Database, schema: Schema, *, may_have_acted: bool
) -> None:
    intent = await begin_intent(service.ledger, schema)
    intent.end(None, GatewayError(Code.UNAVAILABLE, "", "down", may_have_acted=may_have_acted))
    again = await begin_intent(service.ledger, schema)
    assert (again.id == intent.id) is may_have_acted
    assert again.kind == ("settlement" if may_have_acted else "outcome")
    again.end(reply_of(schema), None)
    found = await begin(service.ledger, schema)
    assert isinstance(found, Reply)
    await service.stop()
    outcomes = [outcome for _, outcome in await database.calls()]
    assert outcomes == (["ok"] * 3 if may_have_acted else ["error", "ok", "ok"])


async def test_a_settlement_that_fails_again_stays_open(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    for _ in range(3):
        intent = await begin_intent(service.ledger, schema)
        intent.end(None, GatewayError(Code.UNAVAILABLE, "", "down", may_have_acted=True))
    (await begin_intent(service.ledger, schema)).end(None, GatewayError(Code.INVALID_ARGUMENT, "", "no"))
    await service.stop()
    outcomes = [outcome for _, outcome in await database.calls()]
    assert outcomes == ["error", "unknown", "unknown", "error"]
    assert await database.read("SELECT * FROM ledger_keys") == []


async def test_a_call_of_a_live_replica_is_waited_for(postgres_database: Database, schema: Schema) -> None:
    service, other = await open_ledger(postgres_database), await open_ledger(postgres_database)
    intent = await begin_intent(service.ledger, schema)
    with pytest.raises(GatewayError) as caught:
        await begin(other.ledger, schema, seconds=0.2)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    waiting = asyncio.create_task(begin(other.ledger, schema))
    await asyncio.sleep(0.02)
    intent.end(reply_of(schema), None)
    assert isinstance(await waiting, Reply)


async def test_a_call_of_a_replica_that_has_ended_is_taken_over(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    intent = await begin_intent(service.ledger, schema)
    if database.dialect == "sqlite":
        await service.stop()
    else:
        await Leases(service.store, service.leases.replica, 1).release()  # as if its lease had expired
    other = await open_ledger(database)
    settling = await begin_intent(other.ledger, schema)
    assert (settling.id, settling.kind) == (intent.id, "settlement")
    settling.end(reply_of(schema), None)
    await other.stop()
    assert [outcome for _, outcome in await database.calls()] == ["ok", "ok"]


async def test_a_caller_that_leaves_while_it_waits_is_recorded(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    intent = await begin_intent(service.ledger, schema)
    waiting = asyncio.create_task(begin(service.ledger, schema))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    intent.end(reply_of(schema), None)
    assert isinstance(await begin(service.ledger, schema), Reply)
    await service.stop()
    assert sorted(outcome for _, outcome in await database.calls()) == ["ok", "ok", "refused"]


async def test_callers_that_leave_at_any_moment_block_no_key(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    for number in range(30):
        task = asyncio.create_task(begin(service.ledger, schema, f"k{number}"))
        await asyncio.sleep(number / 15_000)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            intent = task.result()
            assert isinstance(intent, Intent)
            intent.end(None, GatewayError(Code.NOT_FOUND, "", "no"))
        again = await begin_intent(service.ledger, schema, f"k{number}")
        again.end(reply_of(schema), None)
    await service.stop()
    outcomes = [outcome for _, outcome in await database.calls()]
    assert outcomes.count("ok") == 30
    assert set(outcomes) <= {"ok", "refused", "error"}


async def test_a_call_that_has_ended_is_recorded(
    service: LedgerService, database: Database, schema: Schema
) -> None:
    call = make_call(schema, name="n", folder_id="f")
    service.ledger.record_end(make_record(call), call.request, "denied", Code.PERMISSION_DENIED)
    service.ledger.record_end(make_record(call, is_evaluated=False), None, "ok", Code.OK)

    async def calls() -> list[tuple[Any, ...]]:
        return await database.calls("outcome, code, name, folder_id, decision, owner, due_us")

    await wait_for(lambda: not service.writer._queue)  # noqa: SLF001 - to see the commit without a stop
    await service.stop()
    assert await calls() == [
        ("denied", "PERMISSION_DENIED", "n", "f", "allow", None, None),
        ("ok", "OK", None, None, "none", None, None),
    ]


async def test_an_event_that_is_about_no_call_needs_no_correction(service: LedgerService) -> None:
    service.writer._failure = "disk full"  # noqa: SLF001 - as a failed commit would set it
    entry = Entry(event=make_event(RETENTION, "", {"removed": 1}))
    with pytest.raises(GatewayError, match="nothing was forwarded"):
        await service.writer.write(entry, asyncio.get_running_loop().time() + 1)
    assert not service.writer._queue  # noqa: SLF001 - an entry that cannot be written would wait here


async def test_a_repetition_waits_no_longer_than_its_deadline_for_the_database(
    sqlite_database: Database, schema: Schema
) -> None:
    service = await open_ledger(sqlite_database)
    await begin_intent(service.ledger, schema)
    service.ledger._active.clear()  # noqa: SLF001 - as if another replica carried out the call
    claimed, held = asyncio.Event(), asyncio.Event()
    commit = service.store.commit

    async def commit_and_hold(entries: Any) -> Any:
        lost = await commit(entries)
        claimed.set()
        await held.wait()
        return lost

    async def hold() -> None:
        async with service.store.transaction():
            held.set()
            await asyncio.sleep(3600)

    service.store.commit = commit_and_hold  # type: ignore[method-assign]
    repeat = asyncio.create_task(begin(service.ledger, schema, seconds=0.3))
    await claimed.wait()
    task = asyncio.create_task(hold())
    try:
        with pytest.raises(GatewayError) as caught:
            async with asyncio.timeout(GENEROUS_S):
                await repeat
        assert caught.value.code is Code.DEADLINE_EXCEEDED
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_late_failure_of_a_call_that_another_replica_has_settled_changes_nothing(
    database: Database, schema: Schema
) -> None:
    service = await open_ledger(database)
    intents = [await begin_intent(service.ledger, schema, None) for _ in range(4)]
    await database.change("UPDATE ledger_calls SET epoch = epoch + 1")  # another replica has taken them over
    settled = [ended(intent.id, outcome="ok", code="OK", kind="settlement") for intent in intents[:2]]
    await service.store.commit(settled)
    intents[0].end(None, GatewayError(Code.DEADLINE_EXCEEDED, "R", "late", may_have_acted=True))
    intents[1].end(None, GatewayError(Code.PERMISSION_DENIED, "R", "late"))
    intents[2].end(None, GatewayError(Code.PERMISSION_DENIED, "R", "late"))
    intents[3].end(reply_of(schema), None)
    await service.stop()
    assert await database.calls("outcome, code") == [
        ("ok", "OK"),
        ("ok", "OK"),
        ("pending", None),
        ("ok", "OK"),
    ]


async def test_a_settlement_does_not_replace_a_success_by_a_failure(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("a"), begun("b")])
    await store.commit([ended("a", outcome="ok", code="OK")])
    late = [ended(call, outcome="unknown") for call in "ab"]
    for entry in late:
        entry.fence = 0
    assert list(await store.commit(late)) == late[:1]
    assert await database.calls() == [("a", "ok"), ("b", "unknown")]


@pytest.mark.parametrize(("name", "outcome"), [("n", "error"), ("mutated in another way", "pending")])
async def test_a_refusal_of_another_request_with_the_key_is_no_proof(
    service: LedgerService, database: Database, schema: Schema, name: str, outcome: str
) -> None:
    lost = GatewayError(Code.UNAVAILABLE, "", "broken", may_have_acted=True)
    (await begin_intent(service.ledger, schema)).end(None, lost)
    await wait_for(lambda: not service.writer._queue)  # noqa: SLF001 - the outcome is committed
    call = make_call(schema, key="k", name="n")
    forwarded = make_call(schema, name=name).request
    repeat = await service.ledger.begin(call, make_record(call), forwarded)
    assert isinstance(repeat, Intent)
    repeat.end(None, GatewayError(Code.INVALID_ARGUMENT, "", "the key was used with another request"))
    await service.stop()
    assert (await database.calls("outcome"))[0] == (outcome,)
