"""The contract of a store, for both databases, and the rows of a group."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.ledger.batch import EntryError, Store, StoreError, StoreFormatError, split_rows
from gateway.ledger.columns import CallUpdate
from tests.ledger.making import Database, call_row, calls_of, claiming, first, later


async def test_a_group_keeps_its_order_and_has_no_gap(database: Database) -> None:
    store = await database.open()
    assert await store.commit([first(f"c{number}") for number in range(3)]) == []
    await store.commit([first("c3"), later("c0"), later("c3")])
    expected = ["c0", "c1", "c2", "c3", "c0", "c3"]
    assert [call for _, call in await database.sequence()] == expected
    assert await database.calls("seq, id") == [(0, "c0"), (1, "c1"), (2, "c2"), (3, "c3")]


async def test_all_columns_of_a_row_are_kept(database: Database) -> None:
    store = await database.open()
    row = call_row("c", name=None, folder_id=None, code="OK", resource_id="i", labels='{"a":"\\u0000é"}')
    entry = first("c", body='{"text":"é\\u0000"}')
    entry.row = row
    await store.commit([first("before"), entry])
    found = await database.read(f"SELECT {', '.join(row._fields)} FROM ledger_calls WHERE id = 'c'")  # noqa: S608
    assert found == [tuple(row)]
    assert await database.read("SELECT * FROM ledger_events WHERE call = 'c'") == [
        (1, "c", "decision", 1, '{"text":"é\\u0000"}')
    ]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200, 512])
async def test_groups_of_each_size(database: Database, count: int) -> None:
    store = await database.open()
    await store.commit([first(f"c{number}") for number in range(count)])
    await store.commit([later(f"c{number}", outcome="ok", code="OK") for number in range(count)])
    assert await database.calls() == [(f"c{number}", "ok") for number in range(count)]
    assert len(await database.sequence()) == 2 * count


async def test_a_row_and_its_update_in_one_group(database: Database) -> None:
    store = await database.open()
    await store.commit([first("c"), later("c", outcome="ok", operation_id="o", operation_done=False)])
    assert await database.calls("id, outcome, operation_id, operation_done, owner, due_us") == [
        ("c", "ok", "o", False, None, None)
    ]


async def test_updates_of_one_call_are_merged(database: Database) -> None:
    store = await database.open()
    await store.commit([first("c"), first("other")])
    await store.commit(
        [
            later("c", outcome="ok", operation_id="o", operation_done=False, owner="r", due_us=5),
            later("other", outcome="error", code="INTERNAL"),
            later("c", operation_done=True, operation_code="OK", checksum="sum", due_us=6),
        ]
    )
    columns = "outcome, operation_id, operation_done, operation_code, checksum, owner, due_us"
    assert await database.calls(columns) == [
        ("ok", "o", True, "OK", "sum", None, 6),
        ("error", None, None, None, None, None, None),
    ]


async def test_an_update_leaves_other_columns_unchanged(database: Database) -> None:
    store = await database.open()
    await store.commit([first("c", code="OK", resource_id="i")])
    await store.commit([later("c", operation_done=False, owner="r", due_us=9)])
    assert await database.calls("outcome, code, resource_id, operation_done, owner, due_us") == [
        ("pending", "OK", "i", False, "r", 9)
    ]


async def test_an_event_of_an_unknown_call_changes_no_row(database: Database) -> None:
    store = await database.open()
    await store.commit([later("nobody", outcome="ok"), later("", kind="retention")])
    assert await database.calls() == []
    assert len(await database.sequence()) == 2


async def test_a_second_first_event_corrects_the_outcome(database: Database) -> None:
    store = await database.open()
    await store.commit([first("c")])
    await store.commit([first("c", outcome="refused", code="UNAVAILABLE", name="other")])
    columns = "seq, outcome, code, name, owner, due_us"
    assert await database.calls(columns) == [(0, "refused", "UNAVAILABLE", "image-1", None, None)]
    assert len(await database.sequence()) == 2


async def test_a_key_belongs_to_its_first_call(database: Database) -> None:
    store = await database.open()
    assert await store.commit([claiming("c1")]) == []
    lost = await store.commit([first("before"), claiming("c2"), first("after")])
    assert calls_of(lost) == ["c2"]
    assert [call for _, call in await database.sequence()] == ["c1", "before", "after"]
    assert await database.read("SELECT key, call, request, expires_us FROM ledger_keys") == [
        ("k", "c1", "r", 100)
    ]


async def test_in_one_group_the_first_claim_wins(database: Database) -> None:
    store = await database.open()
    lost = await store.commit([claiming("c2"), claiming("c1"), claiming("c3", "other"), claiming("c0")])
    assert sorted(calls_of(lost)) == ["c0", "c1"]
    assert [call for _, call in await database.sequence()] == ["c2", "c3"]


async def test_a_group_whose_claims_all_fail_commits_nothing(database: Database) -> None:
    store = await database.open()
    await store.commit([claiming("c1")])
    assert calls_of(await store.commit([claiming("c2")])) == ["c2"]
    await store.commit([first("c3")])
    assert [call for _, call in await database.sequence()] == ["c1", "c3"]


@pytest.mark.parametrize(("now_us", "wins"), [(99, False), (100, False), (101, True)])
async def test_an_expired_key_is_taken_over(database: Database, now_us: int, *, wins: bool) -> None:
    store = await database.open()
    await store.commit([claiming("c1", expires_us=100)])
    lost = await store.commit([claiming("c2", request="r2", expires_us=500, now_us=now_us)])
    assert (lost == []) is wins
    expected = ("c2", "r2", 500) if wins else ("c1", "r", 100)
    assert await database.read("SELECT call, request, expires_us FROM ledger_keys") == [expected]


async def test_the_key_of_a_refused_call_becomes_free(database: Database) -> None:
    store = await database.open()
    await store.commit([claiming("c1"), claiming("c2", "k2")])
    await store.commit([later("c1", outcome="error", frees_key=True)])
    assert await database.read("SELECT key FROM ledger_keys") == [("k2",)]
    assert await store.commit([claiming("c3")]) == []


async def test_a_late_end_does_not_free_the_key_of_another_call(database: Database) -> None:
    store = await database.open()
    await store.commit([claiming("c1", expires_us=100)])
    await store.commit([claiming("c2", now_us=101, expires_us=500)])
    await store.commit([later("c1", outcome="error", frees_key=True)])
    assert await database.read("SELECT call FROM ledger_keys") == [("c2",)]


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb"], ids=["surrogate", "surrogateescape"])
@pytest.mark.parametrize("column", ["name", "body"])
async def test_a_lone_surrogate_is_refused_as_an_entry(database: Database, text: str, column: str) -> None:
    entry = first("bad", body=text) if column == "body" else first("bad", name=text)
    await check_refused(database, entry)


async def test_a_nul_character_is_kept_or_refused_as_an_entry(database: Database) -> None:
    """PostgreSQL has no NUL character in a text. It must not look like a failure of the database."""
    if database.dialect == "postgresql":
        await check_refused(database, first("bad", name="a\0b"))


async def test_a_number_that_is_too_large_is_refused_as_an_entry(database: Database) -> None:
    await check_refused(database, first("bad", due_us=2**63))


async def test_a_missing_value_is_refused_as_an_entry(database: Database) -> None:
    await check_refused(database, first("bad", method=None))


async def test_a_claim_with_a_bad_value_is_refused_as_an_entry(database: Database) -> None:
    await check_refused(database, claiming("bad", expires_us=2**63))


async def check_refused(database: Database, entry: Any) -> None:
    store = await database.open()
    with pytest.raises(EntryError):
        await store.commit([first("good"), entry])
    assert await database.calls() == []
    await store.commit([claiming("next")])
    assert [call for _, call in await database.sequence()] == ["next"]


async def test_a_transaction_is_committed(database: Database) -> None:
    store = await database.open()
    async with store.transaction() as session:
        sql = "INSERT INTO ledger_leases (name, owner, epoch, until_us) VALUES (?, ?, 1, ?) RETURNING name"
        assert [tuple(row) for row in await session.fetch(sql, "n", "o", 5)] == [("n",)]
    assert await database.read("SELECT name, owner, until_us FROM ledger_leases") == [("n", "o", 5)]


async def change_and_fail(store: Store, error: BaseException) -> None:
    async with store.transaction() as session:
        await session.fetch("UPDATE ledger_head SET next_seq = 77")
        raise error


async def test_a_transaction_that_fails_is_rolled_back(database: Database) -> None:
    store = await database.open()
    for error in (RuntimeError("x"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await change_and_fail(store, error)
    await store.commit([first("c")])
    assert await database.sequence() == [(0, "c")]


async def test_a_statement_that_fails_is_a_failure_of_the_store(database: Database) -> None:
    store = await database.open()
    with pytest.raises(StoreError):
        async with store.transaction() as session:
            await session.fetch("SELECT * FROM nowhere")
    await store.commit([first("c")])


async def test_transactions_and_commits_take_turns(database: Database) -> None:
    store = await database.open()

    async def add(number: int) -> None:
        async with store.transaction() as session:
            await session.fetch("SELECT 1")
            await asyncio.sleep(0)
            await session.fetch("UPDATE ledger_tree SET size = size + 1")
        await store.commit([first(f"c{number}")])

    await asyncio.gather(*map(add, range(20)))
    assert await database.read("SELECT size FROM ledger_tree") == [(20,)]
    assert len(await database.sequence()) == 20


async def test_cancelled_transactions_do_not_disturb_commits(database: Database) -> None:
    """A caller may disconnect at any time, also while its transaction begins or ends."""
    store = await database.open()

    async def read() -> None:
        async with store.transaction() as session:
            await session.fetch("UPDATE ledger_tree SET size = size + 1")

    for steps in range(30):
        task = asyncio.create_task(read())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await store.commit([first(f"c{steps}")])
    for pause_ms in range(10):
        task = asyncio.create_task(read())
        await asyncio.sleep(pause_ms / 2000)
        task.cancel()
        await asyncio.wait([task])
        await store.commit([first(f"p{pause_ms}")])
    assert len(await database.sequence()) == 40


async def test_the_clock_of_the_database(database: Database) -> None:
    store = await database.open()
    async with store.transaction() as session:
        ((now_us,),) = await session.fetch(f"SELECT {store.now_us}")
    assert 1_700_000_000_000_000 < now_us < 10_000_000_000_000_000


async def test_a_ledger_is_opened_again(database: Database) -> None:
    store = await database.open()
    await store.commit([claiming("c1")])
    await store.close()
    again = await database.open()
    assert calls_of(await again.commit([claiming("c2"), first("c3")])) == ["c2"]
    assert [call for _, call in await database.sequence()] == ["c1", "c3"]


async def test_a_closed_store_can_be_closed_again(database: Database) -> None:
    store = await database.open()
    await store.close()
    await store.close()


async def test_a_newer_ledger_is_refused(database: Database) -> None:
    await (await database.open()).close()
    await database.change("UPDATE ledger_version SET version_num = '9999'")
    with pytest.raises(StoreFormatError, match=r"has version '9999'.*a newer gateway wrote it"):
        await database.open()
    assert await database.read("SELECT version_num FROM ledger_version") == [("9999",)]


async def test_foreign_tables_are_refused_and_left_alone(database: Database) -> None:
    await database.change("CREATE TABLE ledger_calls (id text)")
    with pytest.raises(StoreFormatError, match="not the ledger of a gateway"):
        await database.open()
    assert await database.read("SELECT * FROM ledger_calls") == []


async def test_a_ledger_without_its_version_is_refused(database: Database) -> None:
    await (await database.open()).close()
    await database.change("DELETE FROM ledger_version")
    with pytest.raises(StoreFormatError):
        await database.open()


def test_the_rows_of_a_group() -> None:
    entries = [later("x"), first("a"), later("b", code="OK"), first("c"), later("b", due_us=3, owner="o")]
    rows, updates = split_rows(entries)
    assert [(index, row.id) for index, row in rows] == [(1, "a"), (3, "c")]
    assert updates == [CallUpdate("b", code="OK", due_us=3, owner="o")]
