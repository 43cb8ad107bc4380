"""Reading a ledger while a gateway may be using it."""

from __future__ import annotations

import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import select

from gateway.config.ledger import LedgerSection
from gateway.ledger.reader import LedgerReadError, fetch, open_reader
from gateway.ledger.service import open_store
from gateway.ledger.tables import calls, checkpoints, events
from tests.ledger.making import Database
from tests.ledger.records import begun

SEQ = select(events.c.seq).order_by(events.c.seq)


async def test_rows_are_read_while_the_gateway_writes_and_belong_to_one_state(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("call-1"), begun("call-2")])
    async with open_reader(database.url) as reader:
        assert await fetch(reader, SEQ) == [(0,), (1,)]
        await store.commit([begun("call-3")])
        assert await fetch(reader, SEQ) == [(0,), (1,)]
        assert await fetch(reader, select(calls.c.id).where(calls.c.id == "call-2")) == [("call-2",)]
    async with open_reader(database.url) as reader:
        assert len(await fetch(reader, SEQ)) == 3


async def test_a_reader_may_stop_before_the_last_row(database: Database) -> None:
    store = await database.open()
    await store.commit([begun(f"call-{number}") for number in range(2500)])
    async with open_reader(database.url) as reader:
        async with aclosing(reader.stream(SEQ)) as rows:
            assert await anext(rows) == (0,)
        assert len(await fetch(reader, SEQ)) == 2500


async def test_a_reader_changes_nothing(sqlite_database: Database, tmp_path: Path) -> None:
    store = await sqlite_database.open()
    await store.commit([begun("call-1")])
    path = tmp_path / "ledger.db"
    before = path.read_bytes(), (tmp_path / "ledger.db-wal").read_bytes()
    async with open_reader(sqlite_database.url) as reader:
        assert await fetch(reader, SEQ) == [(0,)]
        with pytest.raises(LedgerReadError, match="readonly"):
            await fetch(reader, calls.delete())  # type: ignore[arg-type]
    assert before == (path.read_bytes(), (tmp_path / "ledger.db-wal").read_bytes())


async def test_a_file_whose_name_has_special_characters(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%41.db"
    store = open_store(LedgerSection(url=f"sqlite:///{path}"))
    await store.open()
    await store.close()
    async with open_reader(f"sqlite:///{path}") as reader:
        assert await fetch(reader, SEQ) == []


async def test_a_text_that_is_no_utf_8_can_be_read(sqlite_database: Database) -> None:
    store = await sqlite_database.open()
    await store.commit([begun("call-1")])
    await sqlite_database.change("UPDATE ledger_events SET body = CAST(x'ff' AS TEXT)")
    async with open_reader(sqlite_database.url) as reader:
        assert await fetch(reader, select(events.c.body)) == [("\ufffd",)]


# Ledgers that cannot be read


async def open_and_close(url: str) -> None:
    async with open_reader(url):
        pass


async def test_a_file_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with pytest.raises(LedgerReadError, match="there is no such file"):
        await open_and_close(f"sqlite:///{path}")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"no database, but some text that is long enough" * 50])
async def test_a_file_that_is_no_ledger(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerReadError):
        await open_and_close(f"sqlite:///{path}")


async def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerReadError):
        await open_and_close(f"sqlite:///{tmp_path}")


async def test_a_database_of_another_application(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id)")
    with pytest.raises(LedgerReadError, match="is not the ledger of a gateway"):
        await open_and_close(f"sqlite:///{path}")


async def test_an_empty_database_holds_no_ledger(postgres_database: Database) -> None:
    with pytest.raises(LedgerReadError, match="the database holds no ledger"):
        await open_and_close(postgres_database.url)


async def test_a_ledger_of_another_version(database: Database) -> None:
    await database.open()
    await database.change("UPDATE ledger_version SET version_num = '9999'")
    with pytest.raises(LedgerReadError, match="has version '9999'"):
        await open_and_close(database.url)


async def test_a_ledger_without_a_version(database: Database) -> None:
    await database.open()
    await database.change("DELETE FROM ledger_version")
    with pytest.raises(LedgerReadError):
        await open_and_close(database.url)


async def test_a_server_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(LedgerReadError, match="cannot connect") as raised:
        await open_and_close("postgresql://me:secret@127.0.0.1:1/ledger")
    assert "secret" not in str(raised.value)


async def test_a_user_without_rights(postgres_database: Database) -> None:
    await postgres_database.open()
    name = f"u{postgres_database.url.rpartition('_')[2]}"
    await postgres_database.change(f"CREATE ROLE {name} LOGIN")
    with pytest.raises(LedgerReadError, match="permission denied"):
        await open_and_close(postgres_database.url.replace("postgres:unused@", f"{name}:x@"))


async def test_a_statement_that_fails_is_an_error_of_the_ledger(database: Database) -> None:
    await database.open()
    await database.change("DROP TABLE ledger_checkpoints")
    async with open_reader(database.url) as reader:
        with pytest.raises(LedgerReadError, match="ledger_checkpoints"):
            await fetch(reader, select(checkpoints.c.size))


async def end_connections(url: str) -> None:
    name = url.rpartition("/")[2]
    connection = await asyncpg.connect(url.replace(name, "postgres"))
    try:
        sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
        await connection.execute(sql, name)
    finally:
        await connection.close()


async def test_a_server_that_ends_while_it_is_read(postgres_database: Database) -> None:
    await postgres_database.open()

    async def read() -> None:
        async with open_reader(postgres_database.url) as reader:
            await end_connections(postgres_database.url)
            await fetch(reader, SEQ)

    with pytest.raises(LedgerReadError):
        await read()


@pytest.mark.parametrize("text", ["\udcff", "a\0b"])
async def test_an_id_that_no_text_can_have_is_not_found_or_an_error_of_the_ledger(
    database: Database, text: str
) -> None:
    await database.open()
    try:
        async with open_reader(database.url) as reader:
            assert await fetch(reader, select(calls.c.id).where(calls.c.id == text)) == []
    except LedgerReadError as error:
        assert str(error)  # noqa: PT017 - both are fine
