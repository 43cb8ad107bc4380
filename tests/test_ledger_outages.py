"""A ledger that cannot be written: changes are refused, reads go on, and service resumes by itself."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest

from gateway.app import Gateway
from gateway.emulator import Emulator
from gateway.faults import FaultsError
from gateway.ledger import sqlite_store
from gateway.ledger import writer as writer_module
from gateway.ledger.batch import Entry
from gateway.ledger.writer import LedgerWriter
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start, make_config, plain_telemetry
from tests.ledger.conftest import own_postgres, postgres
from tests.postgres import PostgresServer
from tests.served_ledger import (
    CREATE,
    LIST,
    call,
    condition,
    creates,
    events,
    is_ledger_unavailable,
    metric,
    options,
    post,
    rows,
    until_ok,
    wait_for_rows,
)
from tests.test_pipeline import hang_up
from tests.waiting import wait_for

__all__ = ["own_postgres", "postgres"]  # fixtures

WRITE = LedgerWriter.write
KEY = "2f6b4c1e-0000-4000-8000-000000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer fail and retry sooner, so that tests need not wait."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.05)
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.05)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Blocker:
    """A foreign program that locks the file of the ledger."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)

    async def lock(self) -> None:
        """Lock the file. The gateway, whose event loop this is, may hold the lock at first."""
        while not self._connection.in_transaction:
            with suppress(sqlite3.OperationalError):
                self._connection.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(0.01)

    def free(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
async def locked(start: Start, path: Path) -> AsyncIterator[tuple[Running, Blocker]]:
    """A gateway whose ledger is locked."""
    running = await start(**options(path, limits__deadline_s=5))
    with closing(Blocker(path)) as blocker:
        await blocker.lock()
        yield running, blocker


async def check_outage(running: Running, schema: Schema, *, is_ready: bool = True) -> None:
    """Changes are refused over both protocols, nothing is forwarded, and reads go on."""
    before = creates(running)
    assert is_ledger_unavailable(*await post(running, {"name": "lost-1"}))
    code, error = await call(running, schema, CREATE)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert b"LEDGER_UNAVAILABLE" in dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert creates(running) == before
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1gexample")) as response:
        assert response.status == 200
    assert (await call(running, schema, LIST))[0] is grpc.StatusCode.OK
    assert (await post(running, {"labels": {}}))[0] == 403
    status, shown, why = await condition(running)
    assert (status, shown) == ((200, "degraded") if is_ready else (503, "failed"))
    assert why.startswith("changes are refused: ")


async def check_resumed(running: Running) -> None:
    await until_ok(running)
    status, body = await post(running, {"name": "resumed"})
    assert status == 200, body
    assert (await condition(running))[:2] == (200, "ok")


async def test_a_file_that_is_locked(locked: tuple[Running, Blocker], path: Path, schema: Schema) -> None:
    running, blocker = locked
    await check_outage(running, schema)
    blocker.free()
    await check_resumed(running)
    found = await wait_for_rows(path, 6)
    outcomes = sorted((outcome, code) for _, outcome, code in found)
    await wait_for(lambda: rows(path, "SELECT 1 FROM ledger_calls WHERE name = 'resumed' AND outcome = 'ok'"))
    assert outcomes.count(("refused", "UNAVAILABLE")) == 2
    assert outcomes.count(("denied", "PERMISSION_DENIED")) == 1
    assert metric(running, "gateway_ledger_lost_total") == 0


async def test_a_lock_that_outlives_the_deadline(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller need not wait as long as SQLite waits for the lock."""
    monkeypatch.setattr(sqlite_store, "BUSY_S", 3)
    running = await start(**options(path, limits__deadline_s=0.3))
    with closing(Blocker(path)) as blocker:
        await blocker.lock()
        async with asyncio.timeout(2):
            found = await asyncio.gather(*(post(running, {"name": f"image-{n}"}) for n in range(5)))
        assert all(is_ledger_unavailable(*one) for one in found)
        blocker.free()
    await check_resumed(running)
    assert creates(running) == 1
    await wait_for_rows(path, 5, "outcome = 'refused'")
    await wait_for(lambda: not rows(path, "SELECT * FROM ledger_calls WHERE outcome = 'pending'"))


async def test_a_full_disk(start: Start, small_disk: Path, schema: Schema) -> None:
    running = await start(**options(small_disk / "ledger.db"))
    assert (await post(running, {"name": "first"}))[0] == 200
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                if not file.write(b"x" * 4096):
                    break
            except OSError:
                break
    for number in range(200):  # the write-ahead log may have free pages
        if not is_ledger_unavailable(*await post(running, {"name": f"image-{number}"})):
            continue
        break
    await check_outage(running, schema)
    filler.unlink()
    await check_resumed(running)
    await running.gateway.stop()
    events(small_disk / "ledger.db")
    assert rows(small_disk / "ledger.db", "PRAGMA integrity_check") == [("ok",)]


async def test_a_read_only_file_stops_the_start(small_disk: Path) -> None:
    path = small_disk / "ledger.db"
    path.touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    async with Emulator() as emulator:
        gateway = Gateway(make_config(emulator.address, **options(path)), plain_telemetry())
        with pytest.raises(FaultsError, match=r"ledger\.url.*Read-only file system"):
            await gateway.start()


async def test_postgresql_that_stops_and_starts(
    start: Start, own_postgres: PostgresServer, schema: Schema
) -> None:
    url = await own_postgres.create_database()
    running = await start(ledger__enabled=True, ledger__url=url, limits__deadline_s=5)
    assert (await post(running, {"name": "first"}, idempotency_key=KEY))[0] == 200
    for is_crash in (False, True):
        await asyncio.to_thread(own_postgres.stop, is_crash=is_crash)
        assert is_ledger_unavailable(*await post(running, {"name": "other"}, idempotency_key="k-x"))
        await check_outage(running, schema)
        await asyncio.to_thread(own_postgres.start)
        await until_ok(running)
    await check_resumed(running)
    assert (await post(running, {"name": "first"}, idempotency_key=KEY))[0] == 200
    assert creates(running) == 2


async def test_postgresql_that_starts_after_the_gateway(
    start: Start, own_postgres: PostgresServer, schema: Schema
) -> None:
    url = await own_postgres.create_database()
    await asyncio.to_thread(own_postgres.stop)
    running = await start(ledger__enabled=True, ledger__url=url, limits__deadline_s=5)
    await check_outage(running, schema, is_ready=False)
    await asyncio.to_thread(own_postgres.start)
    await check_resumed(running)


async def test_postgresql_that_does_not_respond(start: Start, own_postgres: PostgresServer) -> None:
    url = await own_postgres.create_database()
    running = await start(ledger__enabled=True, ledger__url=url, limits__deadline_s=0.5)
    assert (await post(running, {"name": "first"}))[0] == 200
    own_postgres.suspend()
    try:
        found = await asyncio.gather(*(post(running, {"name": f"image-{n}"}) for n in range(3)))
    finally:
        own_postgres.resume()
    assert all(is_ledger_unavailable(*one) for one in found)
    await check_resumed(running)
    assert creates(running) == 2


async def test_a_newer_ledger_stops_the_start(start: Start, path: Path) -> None:
    running = await start(**options(path))
    await running.gateway.stop()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    config = make_config(running.emulator.address, **options(path))
    with pytest.raises(FaultsError, match=r"ledger\.url: has version '9999'.*newer gateway"):
        await Gateway(config, plain_telemetry()).start()


async def test_a_foreign_postgresql_stops_the_start(postgres: PostgresServer) -> None:
    url = await postgres.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE ledger_calls (id int)")
    await connection.close()
    async with Emulator() as emulator:
        config = make_config(emulator.address, ledger__enabled=True, ledger__url=url)
        with pytest.raises(FaultsError, match=r"ledger\.url.*not the ledger of a gateway") as caught:
            await Gateway(config, plain_telemetry()).start()
    assert "unused" not in str(caught.value)  # the password


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "key"])
async def test_a_caller_that_leaves_while_its_intent_is_committed(
    locked: tuple[Running, Blocker], path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_S", 3)
    running, blocker = locked
    writing = asyncio.Event()

    async def write(writer: LedgerWriter, entry: Entry, deadline: float) -> bool:
        asyncio.get_running_loop().call_soon(writing.set)
        return await WRITE(writer, entry, deadline)

    monkeypatch.setattr(LedgerWriter, "write", write)
    headers: dict[str, Any] = {"idempotency-key": key} if key else {}
    task = asyncio.create_task(running.client.post(running.url(IMAGES), json=GOOD_IMAGE, headers=headers))
    await writing.wait()
    task.cancel()
    await asyncio.wait([task])
    await wait_for(lambda: "gateway_calls_active 0.0" in running.metrics.expose().decode())
    blocker.free()
    assert await wait_for_rows(path, 1, "outcome = 'refused'") == [(CREATE, "refused", "UNAVAILABLE")]
    assert creates(running) == 0
    await until_ok(running)
    assert (await post(running, **headers))[0] == 200
    assert creates(running) == 1
    assert not rows(path, "SELECT * FROM ledger_calls WHERE outcome = 'pending' AND owner IS NULL")


async def test_callers_that_leave_at_any_time_leave_no_pending_intent(start: Start, path: Path) -> None:
    running = await start(**options(path))
    for number in range(40):
        await hang_up(running.addresses.rest, IMAGES, GOOD_IMAGE | {"name": f"image-{number}"})
        await asyncio.sleep(number / 20_000)
    await wait_for(lambda: not rows(path, "SELECT * FROM ledger_calls WHERE outcome = 'pending'"))
    await running.gateway.stop()
    assert not rows(path, "SELECT * FROM ledger_calls WHERE outcome = 'pending'")
    made = rows(path, "SELECT count(*) FROM ledger_calls WHERE outcome = 'ok'")
    assert made == [(creates(running),)]


@pytest.mark.parametrize("when_full", ["drop", "refuse"])
async def test_the_bound_of_records_that_wait(
    start: Start, path: Path, schema: Schema, when_full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_S", 60)
    given = {"ledger__capacity": 3, "ledger__when_full": when_full, "limits__body_bytes": 2000}
    running = await start(**options(path, **given))
    with closing(Blocker(path)) as blocker:
        await blocker.lock()
        assert (await post(running, {"labels": {}}))[0] == 403
        assert running.gateway._ledger is not None  # noqa: SLF001 - to wait until the writer has taken the record
        writer = running.gateway._ledger.writer  # noqa: SLF001 - the same
        await wait_for(lambda: not writer._queue)  # noqa: SLF001 - the same
        for _ in range(3):
            assert (await post(running, {"labels": {}}))[0] == 403
        calls = len(running.emulator.calls)
        denied, invalid = await post(running, {"labels": {}}), await post(running, {"name": 5})
        large = await post(running, {"description": "x" * 3000})
        async with running.client.get(running.url(f"{IMAGES}?folderId=b1gexample")) as response:
            read: tuple[int, Any] = response.status, await response.json()
        code, error = await call(running, schema, LIST)
        if when_full == "drop":
            assert [status for status, _ in (denied, invalid, large, read)] == [403, 400, 413, 200]
            assert code is grpc.StatusCode.OK
        else:
            assert [status for status, _ in (denied, invalid, large, read)] == [503] * 4
            assert all(is_ledger_unavailable(*one) for one in (denied, invalid, large, read))
            assert code is grpc.StatusCode.UNAVAILABLE, error
            assert len(running.emulator.calls) == calls  # the reason says that nothing was forwarded
        assert metric(running, "gateway_ledger_lost_total") == 5
        blocker.free()
    await check_resumed(running)
    assert len(await wait_for_rows(path, 4, "outcome = 'denied'")) == 4
    assert json.dumps(events(path))
