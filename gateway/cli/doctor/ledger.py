"""Checks the database of the ledger. It is only read: nothing is created, locked or migrated."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.doctor.file_locks import find_lock_owner
from gateway.cli.doctor.ledger_version import report_version
from gateway.cli.doctor.postgres import check_postgres
from gateway.cli.doctor.report import quote_peer
from gateway.config.effective import hide_password
from gateway.ledger.columns import PREFIX

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport

_TIMEOUT_S = 1.0
_FILE_FIX = "restore the file from a copy, or set ledger.url to another file"


async def check_ledger(examination: Examination, report: CheckReport) -> None:
    """Check the database that the configuration names."""
    section = examination.config.ledger
    if not section.enabled:
        report.skip("ledger", "ledger.enabled is false")
    elif section.url.startswith("sqlite:///"):
        path = Path(section.url.removeprefix("sqlite:///"))
        await asyncio.to_thread(_check_sqlite, path, examination, report)
    else:
        await check_postgres(section.url, hide_password(section.url), examination, report)


def _check_sqlite(path: Path, examination: Examination, report: CheckReport) -> None:
    subject = str(path)
    owner = find_lock_owner(Path(f"{os.path.realpath(path)}.lock"), examination.locks)
    if owner is not None:
        report.ok(subject, f"a gateway that runs (process {owner}) uses it")
    if not path.exists():
        report.ok(subject, "the file does not exist yet; the first start creates it")
        return
    try:
        with closing(_connect(path)) as connection:
            tables = {
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            version = None
            if f"{PREFIX}version" in tables:
                row = connection.execute(f"SELECT version_num FROM {PREFIX}version").fetchone()  # noqa: S608 - constants
                version = row[0] if row else None
    except sqlite3.Error as error:
        _report_error(subject, error, report)
        return
    report_version(subject, version, report, has_tables=bool(tables))


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file for reading.

    A reader of a file with a write-ahead log creates the files of the log, if there are none. Without a log,
    nobody writes the file, so it is opened as one that does not change. Then nothing is created.
    """
    has_log = Path(f"{path}-wal").exists() and Path(f"{path}-shm").exists()
    mode = "mode=ro" if has_log else "immutable=1"
    uri = f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_TIMEOUT_S)


def _report_error(subject: str, error: sqlite3.Error, report: CheckReport) -> None:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_NOTADB:
        report.find(subject, "is not an SQLite file", "set ledger.url to the file of the ledger")
    elif code == sqlite3.SQLITE_CANTOPEN:
        report.find(subject, "cannot be opened", "let the user of the gateway read and write the file")
    else:
        report.find(subject, f"cannot be read: {quote_peer(str(error))}", _FILE_FIX)
