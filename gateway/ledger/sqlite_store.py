"""The ledger in an SQLite file.

Exactly one connection of one process writes the file and moves its write-ahead log into the database. So two
bugs cannot occur: a lock that two writers wait for, and the corruption of the write-ahead log that SQLite
3.7.0 to 3.51.2 may cause if two connections write or checkpoint at the same time. An advisory lock on a
second file keeps other gateways away. Readers open the file read-only. SQLite cannot write or checkpoint
through a read-only file descriptor.

All statements of a group run in one thread. A group is written with few statements that have many rows,
because each statement releases Python's global lock, and the thread would have to wait for it again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from gateway.ledger.batch import (
    EntryError,
    StoreError,
    StoreFormatError,
    WithdrawnError,
    begin_commit,
    is_fenced_off,
    split_rows,
)
from gateway.ledger.columns import CALL_COLUMNS, EVENT_COLUMNS, PREFIX, UPDATE_COLUMNS
from gateway.ledger.schema_version import SchemaVersionError, make_migration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from gateway.ledger.batch import Entry, Row
    from gateway.ledger.schema_version import Dialect

NOW_US = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
"""The SQL expression for the current time, in microseconds since 1970-01-01 UTC."""

BUSY_S = 5.0
"""The maximum time to wait for a lock on the file, in seconds. Only foreign programs take such a lock."""

# The errors about the values of an entry. OverflowError is about an integer of more than 64 bits.
_REFUSED = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, UnicodeError, OverflowError)
_CHECKPOINT_PAGES = 4000  # 16 MB; a page that changes often is moved into the database less often
_MAX_ROWS = 64
_STATEMENTS = 4 * _MAX_ROWS  # that the connection keeps prepared
# An INSERT of a call that is already known is a correction of its outcome.
_ON_KNOWN_CALL = (
    " ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, code = excluded.code, "
    "owner = NULL, due_us = NULL"
)
_INSERT_EVENTS = f"INSERT INTO {PREFIX}events ({', '.join(EVENT_COLUMNS)}) VALUES "
_INSERT_CALLS = f"INSERT INTO {PREFIX}calls ({', '.join(CALL_COLUMNS)}) VALUES "
_CLAIM_KEY = (
    f"INSERT INTO {PREFIX}keys (key, call, request, expires_us) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET call = excluded.call, request = excluded.request, "
    "expires_us = excluded.expires_us WHERE expires_us < ?"
)
_FIND_EPOCH = f"SELECT epoch, outcome FROM {PREFIX}calls WHERE id = ?"
_FREE_KEY = f"DELETE FROM {PREFIX}keys WHERE call = ?"


class SqliteStore:
    """A ledger in an SQLite file."""

    dialect: Dialect = "sqlite"
    now_us = NOW_US

    def __init__(self, path: Path, durability: Literal["power", "process"]) -> None:
        """Initialize the store. The file is opened later.

        Args:
            path: the path of the file, which is created if necessary.
            durability: the failure that a commit survives: a loss of power, or the end of the process.
        """
        self._path = path
        self._synchronous = "FULL" if durability == "power" else "NORMAL"
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._turn = asyncio.Lock()
        self._connection: sqlite3.Connection | None = None
        self._lock_file: int | None = None
        self._next_seq = 0
        self._is_closed = False

    async def open(self) -> None:
        """Lock and open the file, and bring its tables to the current version.

        Raises:
            StoreError: the file cannot be opened.
            StoreFormatError: the file is used by another gateway, or is not a ledger of a known version.
        """
        await self._in_thread(self._open)

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Commit entries in one transaction. Return the entries whose claims failed; they are left out."""
        async with self._turn:
            lost: Sequence[Entry] = await self._in_thread(self._commit, entries)
            return lost

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_SqliteSession]:
        """Run one transaction. Commits wait until it has ended."""
        async with self._turn:
            try:  # also around BEGIN: the thread runs the statement even if the caller is cancelled meanwhile
                await self._in_thread(self._execute, "BEGIN IMMEDIATE")
                yield _SqliteSession(self)
                await self._in_thread(self._execute, "COMMIT")
            except BaseException:
                await asyncio.shield(self._in_thread(self._roll_back))
                raise

    async def close(self) -> None:
        """Close the file and release its lock. A store that is closed stays closed."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._in_thread(self._close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _open(self) -> None:
        try:
            self._lock()
            self._connect()
        except OSError as error:  # such as a full disk, or a file system without locks
            self._close()
            raise StoreError(f"cannot be opened: {error.strerror}") from error
        except BaseException:
            self._close()
            raise

    def _lock(self) -> None:
        path = f"{os.path.realpath(self._path)}.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        self._lock_file = file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(file, 20, 0).decode("ascii", "replace").strip()
            raise StoreFormatError(
                f"another gateway (process {owner or 'unknown'}) uses the file; an SQLite ledger serves one "
                "process, several need PostgreSQL"
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)

    def _connect(self) -> None:
        is_new = not self._path.exists()
        if is_new:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            connection = sqlite3.connect(
                self._path,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS,
            )
            self._connection = connection
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            # Otherwise, SQLite makes and deletes a temporary file for each INSERT of many rows.
            connection.execute("PRAGMA temp_store = MEMORY")
            self._migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            # Nothing is under way in other processes, so every change that has not ended needs settlement.
            connection.execute(f"DELETE FROM {PREFIX}leases")
            (self._next_seq,) = connection.execute(f"SELECT next_seq FROM {PREFIX}head").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise StoreFormatError("is not an SQLite file") from error
            raise _to_store_error(error) from error
        if is_new:
            _sync_folder(self._path.parent)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        version = f"{PREFIX}version"
        current = None
        if version in tables:
            row = connection.execute(f"SELECT version_num FROM {version}").fetchone()
            current = row[0] if row else None
        try:
            script = make_migration(self.dialect, current, has_tables=bool(tables))
        except SchemaVersionError as error:
            raise StoreFormatError(str(error)) from error
        if script:
            connection.executescript(f"BEGIN IMMEDIATE; {script}; COMMIT;")

    def _commit(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            lost = [
                entry
                for entry in entries
                if (entry.claim and not _claim(connection, entry.claim))
                or (entry.fence is not None and not _has_epoch(connection, entry))
            ]
            kept = [entry for entry in entries if entry not in lost] if lost else entries
            self._write(connection, kept)
            begin_commit(kept)
            connection.execute("COMMIT")
        except WithdrawnError:
            self._roll_back()
            raise
        except _REFUSED as error:
            self._roll_back()
            raise EntryError(str(error)) from error
        except sqlite3.Error as error:
            self._roll_back()
            raise _to_store_error(error) from error
        self._next_seq += len(kept)
        return lost

    def _write(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        seq = self._next_seq
        _insert(connection, _INSERT_EVENTS, "", ((seq + i, *entry.event) for i, entry in enumerate(entries)))
        rows, updates = split_rows(entries)
        if rows:
            _insert(connection, _INSERT_CALLS, _ON_KNOWN_CALL, ((seq + i, *row) for i, row in rows))
        for group in _in_groups(updates):
            connection.execute(_update_sql(len(group)), [value for one in group for value in one])
        for entry in entries:
            if entry.frees_key:
                connection.execute(_FREE_KEY, (entry.event.call,))
        connection.execute(f"UPDATE {PREFIX}head SET next_seq = ?", (seq + len(entries),))

    def _execute(self, sql: str, *parameters: Any) -> list[Row]:
        try:
            return self._connected().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _to_store_error(error) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError("the file is not open")
        return self._connection

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:  # SQLite itself has rolled back
                return

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


class _SqliteSession:
    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        rows: list[Row] = await self._store._in_thread(self._store._execute, sql, *parameters)  # noqa: SLF001
        return rows


def _claim(connection: sqlite3.Connection, claim: Any) -> bool:
    values = (claim.key, claim.call, claim.request, claim.expires_us, claim.now_us)
    return connection.execute(_CLAIM_KEY, values).rowcount == 1


def _has_epoch(connection: sqlite3.Connection, entry: Entry) -> bool:
    row = connection.execute(_FIND_EPOCH, (entry.event.call,)).fetchone()
    return not is_fenced_off(entry, *(row or (None, None)))


def _insert(connection: sqlite3.Connection, start: str, end: str, rows: Iterable[Row]) -> None:
    for group in _in_groups(list(rows)):
        values = [value for row in group for value in row]
        connection.execute(_insert_sql(start, end, len(group), len(group[0])), values)


def _in_groups(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Yield groups that one statement can write. The connection keeps the statement of each size prepared."""
    for start in range(0, len(rows), _MAX_ROWS):
        yield rows[start : start + _MAX_ROWS]


@lru_cache(maxsize=_STATEMENTS)
def _insert_sql(start: str, end: str, count: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return start + ", ".join([row] * count) + end


@lru_cache(maxsize=_STATEMENTS)
def _update_sql(count: int) -> str:
    row = f"({', '.join('?' * len(UPDATE_COLUMNS))})"
    changes = [
        f"{name} = COALESCE(v.column{index}, {PREFIX}calls.{name})"
        for index, name in enumerate(UPDATE_COLUMNS, start=1)
        if name not in ("id", "owner", "due_us")
    ]
    changes.append("tries = 0")
    changes += [f"{name} = v.column{UPDATE_COLUMNS.index(name) + 1}" for name in ("owner", "due_us")]
    return (
        f"UPDATE {PREFIX}calls SET {', '.join(changes)} FROM (VALUES {', '.join([row] * count)}) AS v "
        f"WHERE {PREFIX}calls.id = v.column1"
    )


def _to_store_error(error: sqlite3.Error) -> StoreError:
    return StoreError(str(error))


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
