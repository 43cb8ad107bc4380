"""Ledgers in a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from gateway.cli.doctor.ledger import check_ledger
from gateway.cli.doctor.postgres import check_postgres
from gateway.cli.doctor.report import CheckReport, CheckResult
from gateway.ledger.postgres_store import PostgresStore
from tests.cli.doctor.examining import examine, make_examination, serve_bytes
from tests.postgres import PostgresServer


async def results_of(url: str, folder: Path, step_s: float = 20.0) -> list[CheckResult]:
    return await examine(check_ledger, make_examination(folder, step_s=step_s, ledger={"url": url}))


async def findings_of(url: str, folder: Path, step_s: float = 20.0) -> list[CheckResult]:
    found = [one for one in await results_of(url, folder, step_s) if one.fix]
    assert "unused" not in str(found)
    return found


async def make_ledger(url: str) -> None:
    store = PostgresStore(url, "process")
    await store.open()
    await store.close()


async def run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for one in statements:
        await connection.execute(one)
    await connection.close()


async def test_a_ledger_that_works(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_database()
    *_, empty = await results_of(url, tmp_path)
    assert empty.message == "it has no tables yet; the first start creates them"
    await make_ledger(url)
    server, clock, version = await results_of(url, tmp_path)
    assert {one.status for one in (server, clock, version)} == {"ok"}
    assert server.message.startswith("PostgreSQL ")
    assert clock.message == "its clock agrees with that of this machine within 1 s"
    assert version.message == "version 0001 of the tables"


async def test_a_wrong_password(own_postgres: PostgresServer, open_folder: Path) -> None:
    await run(own_postgres.url("postgres"), "CREATE USER gateway PASSWORD 'right'")
    hba = open_folder / "hba"
    hba.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    hba.chmod(0o644)
    own_postgres.stop()
    own_postgres.start(hba_file=str(hba))
    url = f"postgresql://gateway:canary@127.0.0.1:{own_postgres.port}/postgres"
    (one,) = await findings_of(url, open_folder)
    assert one.message == "the server does not accept the user or the password of ledger.url"
    assert "canary" not in str(one)


async def test_an_unknown_database(postgres: PostgresServer, tmp_path: Path) -> None:
    (one,) = await findings_of(postgres.url("none"), tmp_path)
    assert one.message == "the server has no database of this name"


async def test_a_newer_version(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_database()
    await make_ledger(url)
    await run(url, "UPDATE ledger_version SET version_num = '9999'")
    (one,) = await findings_of(url, tmp_path)
    assert one.message.startswith("has version '9999', which this gateway does not know")


async def test_a_user_who_may_not_write(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_database()
    await make_ledger(url)
    name = "reader_of_" + url.rpartition("_")[2][:8]
    await run(url, f"CREATE USER {name}", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    (one,) = await findings_of(url.replace("postgres:unused", f"{name}:unused"), tmp_path)
    assert one.message.startswith(f"the user {name} may not write the tables ledger_calls, ")
    assert one.fix.startswith("GRANT SELECT, INSERT, UPDATE, DELETE ON ")


async def test_a_user_who_may_not_create_tables(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_database()
    name = "guest_of_" + url.rpartition("_")[2][:8]
    await run(url, f"CREATE USER {name}")
    (one,) = await findings_of(url.replace("postgres:unused", f"{name}:unused"), tmp_path)
    assert one.message == f"the user {name} may not create the tables of the ledger"


async def test_a_database_that_can_only_be_read(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_database()
    await make_ledger(url)
    await run(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    (one,) = await findings_of(url, tmp_path)
    assert one.message == "the server is a standby, or allows only reads"


async def test_a_server_that_does_not_respond(tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        (one,) = await findings_of(f"postgresql://a:unused@{address}/b", tmp_path, 0.3)
    assert one.message == "the database does not respond within 0.3 s"


async def test_a_server_of_another_protocol(tmp_path: Path) -> None:
    async with serve_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        (one,) = await findings_of(f"postgresql://a:unused@{address}/b", tmp_path)
    assert "canary" not in one.message


async def test_nothing_is_changed(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_database()
    await results_of(url, tmp_path)
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'ledger%'") == 0
    await connection.close()


@pytest.mark.parametrize("url", ["postgresql://a:canary@127.0.0.1:notaport/b", "postgresql://a:can@ary:x@/b"])
async def test_a_malformed_url_shows_no_password(url: str, tmp_path: Path) -> None:
    report = CheckReport("ledger")
    await check_postgres(url, "the ledger", make_examination(tmp_path, step_s=1.0), report)
    assert [one.status for one in report.results] == ["finding"]
    assert "can" not in report.results[0].message.replace("cannot", "")
