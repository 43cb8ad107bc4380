"""The ledger in PostgreSQL: several replicas, other applications, and outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from gateway.config.ledger import LedgerSection
from gateway.ledger.batch import EntryError, StoreError, StoreFormatError
from gateway.ledger.postgres_store import PostgresStore, describe_failure, to_numbered
from gateway.ledger.service import open_store
from tests.ledger.making import Database, calls_of, claiming, first, later
from tests.postgres import PostgresServer
from tests.rounds import rounds


@pytest.fixture
async def fragile(own_postgres: PostgresServer) -> AsyncIterator[Database]:
    """A database on a server that the test may stop."""
    async with AsyncExitStack() as stack:
        yield Database("postgresql", await own_postgres.create_database(), stack)


async def test_replicas_that_commit_at_once_keep_one_order(postgres_database: Database) -> None:
    stores = await asyncio.gather(*(postgres_database.open() for _ in range(3)))
    count = rounds(15, 300)

    async def commit(number: int) -> None:
        for turn in range(count):
            name = f"{number}-{turn}"
            await stores[number].commit([first(name), first(f"{name}b"), later(name, outcome="ok")])

    await asyncio.gather(*map(commit, range(3)))
    events = await postgres_database.sequence()
    assert len(events) == 3 * 3 * count
    for number in range(3):  # the events of each replica are in its own order, and its groups are not mixed
        own = [(seq, call) for seq, call in events if call.startswith(f"{number}-")]
        expected = [f"{number}-{turn}{end}" for turn in range(count) for end in ("", "b", "")]
        assert [call for _, call in own] == expected
        assert all(own[at][0] + 2 == own[at + 2][0] for at in range(0, len(own), 3))
    sequence_of_calls = await postgres_database.calls("seq, id, outcome")
    first_seq = {call: seq for seq, call in reversed(events)}
    assert {call: seq for seq, call, _ in sequence_of_calls} == first_seq


async def test_of_replicas_that_claim_a_key_at_once_one_wins(postgres_database: Database) -> None:
    stores = await asyncio.gather(*(postgres_database.open() for _ in range(3)))
    for turn in range(rounds(10, 200)):
        keys = [f"{turn}-{number}" for number in range(4)]

        async def claim(number: int, keys: list[str] = keys, turn: int = turn) -> list[str]:
            order = keys if number % 2 else keys[::-1]  # in different orders, which could be a deadlock
            entries = [claiming(f"{turn}-{number}-{key}", key) for key in order]
            return calls_of(await stores[number].commit(entries))

        lost = [call for one in await asyncio.gather(*map(claim, range(3))) for call in one]
        assert len(lost) == 8
    await postgres_database.sequence()


async def test_replicas_that_open_an_empty_database_at_once(postgres_database: Database) -> None:
    stores = await asyncio.gather(*(postgres_database.open() for _ in range(4)))
    for number, store in enumerate(stores):
        await store.commit([first(f"c{number}")])
    assert len(await postgres_database.sequence()) == 4


async def test_tables_of_other_applications_are_left_alone(postgres_database: Database) -> None:
    other = "CREATE TABLE ledgers (id int); CREATE TABLE events (id int); CREATE TABLE calls (id int)"
    await postgres_database.change(other)
    store = await postgres_database.open()
    await store.commit([first("c")])
    assert await postgres_database.read("SELECT * FROM ledgers") == []


async def test_a_schema_that_is_not_in_the_search_path_is_not_regarded(postgres_database: Database) -> None:
    await postgres_database.change("CREATE SCHEMA other; CREATE TABLE other.ledger_calls (id int)")
    await (await postgres_database.open()).commit([first("c")])
    assert await postgres_database.sequence() == [(0, "c")]


@pytest.mark.parametrize("is_prepared", [True, False])
async def test_without_prepared_statements(postgres_database: Database, *, is_prepared: bool) -> None:
    store = await postgres_database.open(prepared_statements=is_prepared)
    for number in range(3):
        await store.commit([claiming(f"c{number}", f"k{number}"), later(f"c{number}", outcome="ok")])
    assert await postgres_database.calls() == [(f"c{number}", "ok") for number in range(3)]


@pytest.mark.parametrize(("durability", "expected"), [("power", "on"), ("process", "off")])
async def test_the_durability_is_set_for_each_transaction(
    postgres_database: Database, durability: str, expected: str
) -> None:
    await postgres_database.change("ALTER ROLE postgres SET synchronous_commit = 'local'")
    try:
        store = await postgres_database.open(durability=durability)
        async with store.transaction() as session:
            assert await session.fetch("SHOW synchronous_commit") == [(expected,)]
    finally:
        await postgres_database.change("ALTER ROLE postgres RESET synchronous_commit")


@pytest.mark.parametrize("is_crash", [False, True])
async def test_after_an_outage_the_store_connects_again(
    fragile: Database, own_postgres: PostgresServer, *, is_crash: bool
) -> None:
    store = await fragile.open()
    await store.commit([first("c1")])
    await asyncio.to_thread(own_postgres.stop, is_crash=is_crash)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            await store.commit([first("c2")])
        assert not caught.value.is_uncertain
        with pytest.raises(StoreError):
            async with store.transaction() as session:
                await session.fetch("SELECT 1")
    await asyncio.to_thread(own_postgres.start)
    await store.commit([first("c3")])
    assert await fragile.sequence() == [(0, "c1"), (1, "c3")]


async def test_a_server_that_ends_during_a_refused_entry_is_a_failure_at_most(
    fragile: Database, own_postgres: PostgresServer
) -> None:
    store = await fragile.open()
    task = asyncio.create_task(store.commit([first("c", due_us=2**63)]))
    await asyncio.sleep(0)
    await asyncio.to_thread(own_postgres.stop, is_crash=True)
    with pytest.raises((StoreError, EntryError)):
        await task


async def test_a_database_that_cannot_be_reached(postgres: PostgresServer) -> None:
    store = open_store(LedgerSection(url="postgresql://me:pa55word@127.0.0.1:1/db"))
    with pytest.raises(StoreError, match="cannot connect") as caught:
        await store.open()
    assert "pa55word" not in caught.value.reason
    missing = open_store(LedgerSection(url=postgres.url("nowhere")))
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        await missing.open()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@db:port/x",
        "postgresql://a:1,b:2:3/x",
        f"postgresql://{'x' * 70}/x",
        "postgresql://[::1/x",
    ],
    ids=["port", "hosts", "label", "bracket"],
)
async def test_a_url_that_is_malformed(url: str) -> None:
    with pytest.raises(StoreFormatError, match="is malformed"):
        await open_store(LedgerSection.model_construct(url=url)).open()  # the configuration refuses it


async def test_a_role_that_may_not_create_tables(postgres_database: Database) -> None:
    await postgres_database.change("CREATE ROLE weak LOGIN")
    url = postgres_database.url.replace("postgres:unused", "weak:pa55word")
    store = open_store(LedgerSection(url=url))
    try:
        with pytest.raises(StoreError, match="permission denied"):
            await store.open()
    finally:
        await store.close()
        await postgres_database.change("DROP ROLE weak")


async def test_a_cancelled_commit_is_committed_or_not_but_never_in_part(postgres_database: Database) -> None:
    store = await postgres_database.open()
    for number in range(20):
        entries = [first(f"c{number}"), later(f"c{number}", outcome="ok")]
        task = asyncio.create_task(store.commit(entries))
        await asyncio.sleep(number / 10_000)
        task.cancel()
        await asyncio.wait([task])
    await store.commit([first("last")])
    await postgres_database.sequence()
    assert {outcome for call, outcome in await postgres_database.calls() if call != "last"} <= {"ok"}


def test_parameters_are_numbered() -> None:
    assert to_numbered("SELECT ? + ?, 1") == "SELECT $1 + $2, 1"
    assert to_numbered("SELECT 1") == "SELECT 1"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "the database does not respond in time"),
        (OSError(), "OSError"),
        (OSError("refused\nmore"), "refused"),
        (
            asyncpg.PostgresError('prepared statement "x" does not exist'),
            'prepared statement "x" does not exist; behind a pooler, set ledger.prepared_statements to false',
        ),
    ],
    ids=["timeout", "empty", "lines", "pooler"],
)
def test_the_reason_of_a_failure(error: Exception, expected: str) -> None:
    assert describe_failure(error) == expected


async def test_a_statement_that_waits_for_a_lock_too_long(postgres_database: Database) -> None:
    store = await postgres_database.open()
    assert isinstance(store, PostgresStore)
    store._begin = store._begin.replace("'5s'", "'50ms'")  # noqa: SLF001 - the test does not wait so long
    blocker = await asyncpg.connect(postgres_database.url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT next_seq FROM ledger_head FOR UPDATE")
            with pytest.raises(StoreError, match="lock timeout"):
                await store.commit([first("c1")])
    finally:
        await blocker.close()
    await store.commit([first("c2")])
    assert await postgres_database.sequence() == [(0, "c2")]


async def test_an_entry_that_may_have_been_committed_is_not_committed_twice(
    postgres_database: Database,
) -> None:
    """The answer to COMMIT was lost, and the writer commits the entry again."""
    store = await postgres_database.open()
    await store.commit([first("c1")])
    again, other = later("c1", outcome="ok"), later("c1", kind="operation", operation_done=True)
    await store.commit([again])
    for entry in (again, other):
        entry.is_doubtful = True
    await store.commit([again, other])
    rows = await postgres_database.read("SELECT seq, kind FROM ledger_events ORDER BY seq")
    assert rows == [(0, "decision"), (1, "outcome"), (2, "operation")]


async def test_a_claim_and_the_end_of_the_call_with_this_key_wait_for_each_other_only_once(
    postgres_database: Database,
) -> None:
    one, two = await postgres_database.open(), await postgres_database.open()
    for turn in range(rounds(60, 600)):  # a deadlock is an error of one of the commits
        await one.commit([claiming(f"a{turn}", f"k{turn}")])
        await asyncio.gather(
            one.commit([later(f"a{turn}", outcome="error", frees_key=True)]),
            two.commit([claiming(f"b{turn}", f"k{turn}")]),
        )


async def test_a_correction_is_not_taken_for_the_intent_that_it_corrects(
    postgres_database: Database,
) -> None:
    store = await postgres_database.open()
    await store.commit([first("c1")])
    correction = first("c1", body='{"outcome":"refused"}', outcome="refused")
    correction.is_doubtful = True
    await store.commit([correction])
    assert await postgres_database.calls() == [("c1", "refused")]
