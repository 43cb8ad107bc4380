"""Ledgers in SQLite files. Nothing about them is changed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli.doctor.ledger import check_ledger
from gateway.cli.doctor.report import CheckResult
from gateway.ledger.sqlite_store import SqliteStore
from tests.cli.doctor.examining import NOBODY, examine, find, make_examination


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "ledger.db"


async def make_ledger(path: Path) -> None:
    store = SqliteStore(path, "process")
    await store.open()
    await store.close()


def state(path: Path) -> dict[str, tuple[int, int]]:
    return {one.name: (one.stat().st_size, one.stat().st_mtime_ns) for one in path.parent.iterdir()}


async def results_of(path: Path) -> list[CheckResult]:
    """Return the results, and check that nothing was changed."""
    before = state(path)
    results = await examine(
        check_ledger, make_examination(path.parent.parent, ledger={"url": f"sqlite:///{path}"})
    )
    assert state(path) == before
    return results


async def test_a_ledger_that_is_not_used(path: Path) -> None:
    await make_ledger(path)
    (one,) = await results_of(path)
    assert (one.subject, one.status, one.message) == (str(path), "ok", "version 0001 of the tables")


async def test_a_file_that_does_not_exist(path: Path) -> None:
    (one,) = await results_of(path)
    assert (one.status, one.message) == ("ok", "the file does not exist yet; the first start creates it")


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system does not list its locks")
async def test_a_ledger_that_a_gateway_uses(path: Path) -> None:
    store = SqliteStore(path, "process")
    await store.open()
    examination = make_examination(path.parent.parent, ledger={"url": f"sqlite:///{path}"})
    names = {one.name for one in path.parent.iterdir()}
    used, version = await examine(check_ledger, examination)
    assert used.message == f"a gateway that runs (process {os.getpid()}) uses it"
    assert version.message == "version 0001 of the tables"
    assert {one.name for one in path.parent.iterdir()} == names
    async with store.transaction() as session:  # the gateway can still write
        await session.fetch("UPDATE ledger_head SET next_seq = next_seq + 0")
    await store.close()


async def test_a_newer_version(path: Path) -> None:
    await make_ledger(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    (one,) = await results_of(path)
    assert one.message == "has version '9999', which this gateway does not know; a newer gateway wrote it"
    assert one.fix.startswith("run the version of the gateway that wrote it")


async def test_the_database_of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (a)")
    (one,) = await results_of(path)
    assert one.message.startswith("has tables that are not the ledger of a gateway")
    assert one.fix == "set ledger.url to a database of its own"


async def test_an_empty_file(path: Path) -> None:
    path.touch()
    (one,) = await results_of(path)
    assert (one.status, one.message) == ("ok", "it has no tables yet; the first start creates them")


async def test_a_file_of_another_kind(path: Path) -> None:
    path.write_bytes(b"not a database, although it is long enough to be one" * 100)
    (one,) = await results_of(path)
    assert (one.message, one.fix) == ("is not an SQLite file", "set ledger.url to the file of the ledger")


async def test_a_damaged_file(path: Path) -> None:
    await make_ledger(path)
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    path.write_bytes(data)
    (one,) = await results_of(path)
    assert one.message.startswith("cannot be read: ")
    assert one.fix.startswith("restore the file from a copy")


async def test_a_folder_instead_of_a_file(path: Path) -> None:
    path.mkdir()
    (one,) = await results_of(path)
    assert one.message == "cannot be opened"


async def test_a_disabled_ledger(tmp_path: Path) -> None:
    (one,) = await examine(check_ledger, make_examination(tmp_path))
    assert one.status == "skipped"


async def test_another_database(tmp_path: Path) -> None:
    url = f"postgresql://gateway:canary@{NOBODY}/ledger"
    (one,) = await find(check_ledger, make_examination(tmp_path, ledger={"url": url}))
    assert one.subject == f"postgresql://gateway:***@{NOBODY}/ledger"
    assert one.message == "cannot connect: Connection refused"
