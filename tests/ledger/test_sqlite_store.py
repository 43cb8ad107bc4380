"""The ledger in an SQLite file: the lock, the modes of the file, and foreign programs."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.ledger import sqlite_store
from gateway.ledger.batch import StoreError, StoreFormatError
from gateway.ledger.sqlite_store import SqliteStore
from tests.ledger.making import Database, first, later


@pytest.fixture
def path(sqlite_database: Database) -> Path:
    return Path(sqlite_database.url.removeprefix("sqlite:///"))


async def test_a_second_store_on_the_file_is_refused(sqlite_database: Database, path: Path) -> None:
    store = await sqlite_database.open()
    with pytest.raises(StoreFormatError, match=rf"another gateway \(process {os.getpid()}\) uses the file"):
        await sqlite_database.open()
    link = path.with_name("link.db")
    link.symlink_to(path)
    second = SqliteStore(link, "power")
    with pytest.raises(StoreFormatError, match="another gateway"):
        await second.open()
    await second.close()
    await store.commit([first("c")])
    await store.close()
    await (await sqlite_database.open()).commit([first("d")])


async def test_a_refused_store_can_be_opened_later(sqlite_database: Database) -> None:
    store, second = await sqlite_database.open(), sqlite_database.store()
    with pytest.raises(StoreFormatError):
        await second.open()
    await store.close()
    await second.open()
    await second.commit([first("c")])


async def test_another_process_is_refused_until_this_one_ends(sqlite_database: Database, path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from gateway.ledger.sqlite_store import SqliteStore\n"
        "async def main():\n"
        "    await SqliteStore(Path(sys.argv[1]), 'power').open()\n"
        "    print('open', flush=True); sys.stdin.read()\n"
        "asyncio.run(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "open\n"
        with pytest.raises(StoreFormatError, match=rf"process {process.pid}\)"):
            await sqlite_database.open()
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)
    await (await sqlite_database.open()).commit([first("c")])  # the lock ends with the process


async def test_the_modes_of_the_files(sqlite_database: Database, path: Path) -> None:
    store = await sqlite_database.open()
    await store.commit([first("c")])
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"), 0o600)


@pytest.mark.parametrize(("durability", "synchronous"), [("power", 2), ("process", 1)])
async def test_the_durability_of_commits(
    sqlite_database: Database, durability: str, synchronous: int
) -> None:
    store = await sqlite_database.open(durability=durability)
    async with store.transaction() as session:
        assert await session.fetch("PRAGMA synchronous") == [(synchronous,)]
        assert await session.fetch("PRAGMA journal_mode") == [("wal",)]


async def test_an_empty_file_becomes_a_ledger(sqlite_database: Database, path: Path) -> None:
    path.touch()
    await (await sqlite_database.open()).commit([first("c")])
    assert await sqlite_database.sequence() == [(0, "c")]


async def test_a_file_that_is_no_database(sqlite_database: Database, path: Path) -> None:
    path.write_bytes(b"text " * 1000)
    store = sqlite_database.store()
    with pytest.raises(StoreFormatError, match="is not an SQLite file"):
        await store.open()
    assert path.read_bytes() == b"text " * 1000
    path.unlink()
    await store.open()  # the lock was released


async def test_a_database_of_another_application(sqlite_database: Database) -> None:
    await sqlite_database.change("CREATE TABLE users (id int)")
    with pytest.raises(StoreFormatError, match="use another database"):
        await sqlite_database.open()
    assert await sqlite_database.read("SELECT name FROM sqlite_master") == [("users",)]


@pytest.mark.parametrize("name", ["folder", "nowhere/ledger.db"])
async def test_a_path_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    store = SqliteStore(tmp_path / name, "power")
    with pytest.raises(StoreError):
        await store.open()
    await store.close()


async def test_a_failed_migration_leaves_the_file_empty(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "CREATE TABLE ledger_calls (id int); CREATE TABLE ledger_calls (id int)"
    monkeypatch.setattr(sqlite_store, "make_migration", lambda *_args, **_options: script)
    store = sqlite_database.store()
    with pytest.raises(StoreError, match="already exists"):
        await store.open()
    monkeypatch.undo()
    await store.open()
    await store.commit([first("c")])


async def test_leases_end_with_the_process(sqlite_database: Database) -> None:
    store = await sqlite_database.open()
    async with store.transaction() as session:
        await session.fetch("INSERT INTO ledger_leases VALUES ('replica:x', 'x', 1, 9000000000000000)")
    await store.close()
    await sqlite_database.open()
    assert await sqlite_database.read("SELECT * FROM ledger_leases") == []


async def test_a_locked_file_is_a_failure_until_it_is_free(
    sqlite_database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.02)
    store = await sqlite_database.open()
    await store.commit([first("c1")])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            with pytest.raises(StoreError, match="database is locked") as caught:
                await store.commit([first("c2")])
            assert not caught.value.is_uncertain
            with pytest.raises(StoreError, match="database is locked"):
                async with store.transaction():
                    raise AssertionError("the block must not run")
        other.execute("ROLLBACK")
    await store.commit([first("c3"), later("c1", outcome="ok")])
    assert await sqlite_database.sequence() == [(0, "c1"), (1, "c3"), (2, "c1")]


async def test_readers_do_not_stop_commits(sqlite_database: Database, path: Path) -> None:
    store = await sqlite_database.open()
    await store.commit([first("c1")])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM ledger_events").fetchone() == (1,)
        await store.commit([first("c2")])
        assert reader.execute("SELECT count(*) FROM ledger_events").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM ledger_events").fetchone() == (2,)


async def test_committed_entries_survive_the_end_of_the_process(path: Path) -> None:
    code = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from gateway.ledger.sqlite_store import SqliteStore\n"
        "from tests.ledger.making import first\n"
        "async def main():\n"
        "    store = SqliteStore(Path(sys.argv[1]), 'process')\n"
        "    await store.open()\n"
        "    for number in range(20): await store.commit([first(f'c{number}')])\n"
        "    os._exit(7)\n"
        "asyncio.run(main())"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(path)], check=False, env=environment
    )
    assert process.returncode == 7
    store = SqliteStore(path, "power")
    await store.open()
    await store.commit([first("last")])
    async with store.transaction() as session:
        rows = await session.fetch("SELECT seq FROM ledger_events ORDER BY seq")
    assert rows == [(number,) for number in range(21)]
    await store.close()


@pytest.mark.parametrize("function", ["fcntl.flock", "os.pwrite"])
async def test_a_lock_that_cannot_be_taken_is_a_failure_of_the_database(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = sqlite_database.store()
    with monkeypatch.context() as patch:
        patch.setattr(f"gateway.ledger.sqlite_store.{function}", fail)
        with pytest.raises(StoreError, match="No space left on device"):
            await store.open()
    await store.open()
