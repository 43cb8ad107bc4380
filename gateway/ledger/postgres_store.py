"""The ledger in a PostgreSQL database, which several replicas share.

A commit locks the row that holds the next sequence number until the transaction ends. So the events of all
replicas have one order without gaps, and this order is the order of the commits. Transactions are also
complete for a pooler such as PgBouncer in transaction mode: no session state is used, and no prepared
statement lives longer than its transaction if `ledger.prepared_statements` is false.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import asyncpg

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
    from collections.abc import AsyncIterator, Sequence

    from gateway.ledger.batch import Entry, KeyClaim, Row
    from gateway.ledger.columns import CallRow, CallUpdate
    from gateway.ledger.schema_version import Dialect

NOW_US = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
"""The SQL expression for the current time, in microseconds since 1970-01-01 UTC."""

CONNECT_S = 5.0
"""The maximum time to connect, in seconds."""
STATEMENT_S = 10.0
"""The maximum time for one statement, in seconds."""
_MIGRATION_LOCK = 4_022_117_839  # any number that other applications are not likely to use

_TYPES = {"seq": "bigint", "time_us": "bigint", "due_us": "bigint", "operation_done": "boolean"}
_CALL_TYPES = [_TYPES.get(name, "text") for name in CALL_COLUMNS]

_INSERT_EVENTS = (
    f"WITH head AS (UPDATE {PREFIX}head SET next_seq = next_seq + $1 RETURNING next_seq - $1 AS base), "
    f"added AS (INSERT INTO {PREFIX}events ({', '.join(EVENT_COLUMNS)}) "
    "SELECT head.base + e.at - 1, e.call, e.kind, e.time_us, e.body FROM head, "
    "unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) "
    "WITH ORDINALITY AS e(call, kind, time_us, body, at)) "
    "SELECT base FROM head"
)
_INSERT_CALLS = (
    f"INSERT INTO {PREFIX}calls ({', '.join(CALL_COLUMNS)}) SELECT * FROM "
    f"unnest({', '.join(f'${i}::{kind}[]' for i, kind in enumerate(_CALL_TYPES, start=1))}) "
    "ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, code = excluded.code, "
    "owner = NULL, due_us = NULL"
)
_COALESCED = [name for name in UPDATE_COLUMNS if name not in ("id", "owner", "due_us")]
_UPDATE_CALLS = (
    f"UPDATE {PREFIX}calls c SET {', '.join(f'{n} = COALESCE(v.{n}, c.{n})' for n in _COALESCED)}, "
    "tries = 0, owner = v.owner, due_us = v.due_us FROM unnest("
    + ", ".join(f"${i}::{_TYPES.get(name, 'text')}[]" for i, name in enumerate(UPDATE_COLUMNS, start=1))
    + f") AS v({', '.join(UPDATE_COLUMNS)}) WHERE c.id = v.id"
)
_CLAIM_KEYS = (
    f"INSERT INTO {PREFIX}keys AS k (key, call, request, expires_us) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) ON CONFLICT (key) DO UPDATE "
    "SET call = excluded.call, request = excluded.request, expires_us = excluded.expires_us "
    "WHERE k.expires_us < $5 RETURNING call"
)
_FIND_EPOCHS = (
    f"SELECT id, epoch, outcome FROM {PREFIX}calls WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
)
_FIND_EVENTS = f"SELECT call, kind, time_us, body FROM {PREFIX}events WHERE call = ANY($1::text[])"
_FREE_KEYS = f"DELETE FROM {PREFIX}keys WHERE call = ANY($1::text[])"


class PostgresStore:
    """A ledger in a PostgreSQL database. One connection commits entries, another one does everything else."""

    dialect: Dialect = "postgresql"
    now_us = NOW_US

    def __init__(
        self, url: str, durability: Literal["power", "process"], *, prepares_statements: bool = True
    ) -> None:
        """Initialize the store. The connections are opened later.

        Args:
            url: the URL of the database, `postgresql://user:password@host:port/database`.
            durability: the failure that a commit survives: a loss of power, or the end of the process.
            prepares_statements: whether statements stay prepared. Some poolers do not allow this.
        """
        synchronous = "on" if durability == "power" else "off"
        self._begin = f"BEGIN; SET LOCAL synchronous_commit = {synchronous}; SET LOCAL lock_timeout = '5s'"
        # Each commit first locks the row of the next number. If a commit locked keys before, it could
        # wait for a commit that deletes these keys, while that one waits for the keys.
        self._begin_commit = f"{self._begin}; SELECT next_seq FROM {PREFIX}head FOR UPDATE"
        self._commits = _Connection(url, prepares_statements=prepares_statements)
        self._background = _Connection(url, prepares_statements=prepares_statements)

    async def open(self) -> None:
        """Connect, and bring the tables to the current version.

        Raises:
            StoreError: the database cannot be reached or used at present.
            StoreFormatError: the database holds other tables, or a newer ledger.
        """
        async with self.transaction() as session:
            await session.fetch("SELECT pg_advisory_xact_lock(?)", _MIGRATION_LOCK)
            current = None
            tables = await session.fetch(
                "SELECT relname::text FROM pg_class "
                "WHERE relkind = 'r' AND starts_with(relname, ?) AND pg_table_is_visible(oid)",
                PREFIX,
            )
            if (f"{PREFIX}version",) in [tuple(row) for row in tables]:
                rows = await session.fetch(f"SELECT version_num FROM {PREFIX}version")
                current = rows[0][0] if rows else None
            try:
                script = make_migration(self.dialect, current, has_tables=bool(tables))
            except SchemaVersionError as error:
                raise StoreFormatError(str(error)) from error
            if script:
                await session.run_script(script)

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Commit entries in one transaction. Return the entries whose claims failed; they are left out."""
        is_ending = False
        async with self._commits.use() as connection:
            try:
                await connection.execute(self._begin_commit)
                committed = await _find_committed(connection, entries)
                new = [entry for entry in entries if entry not in committed] if committed else entries
                lost = await _claim_keys(connection, new) + await _find_fenced(connection, new)
                kept = [entry for entry in new if entry not in lost] if lost else new
                await _write(connection, kept)
                begin_commit(kept)
                is_ending = True
                await connection.execute("COMMIT")
            except WithdrawnError:
                await self._roll_back(connection)
                raise
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, UnicodeError) as error:
                await self._roll_back(connection)
                raise EntryError(str(error)) from error
            except _FAILURES as error:
                self._commits.drop()
                raise StoreError(describe_failure(error), is_uncertain=is_ending) from error
            except BaseException:
                self._commits.drop()
                raise
        return lost

    async def _roll_back(self, connection: asyncpg.Connection[Any]) -> None:
        try:
            await connection.execute("ROLLBACK")
        except _FAILURES:
            self._commits.drop()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_PostgresSession]:
        """Run one transaction on the second connection."""
        async with self._background.use() as connection:
            try:
                await connection.execute(self._begin)
                yield _PostgresSession(connection)
                await connection.execute("COMMIT")
            except _FAILURES as error:
                self._background.drop()
                raise StoreError(describe_failure(error)) from error
            except BaseException:
                # A cancelled statement leaves the connection in an unknown state, so it is not used again.
                self._background.drop()
                raise

    async def close(self) -> None:
        """Close the connections."""
        await self._commits.close()
        await self._background.close()


_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class _Connection:
    """A connection that one user at a time uses, and that is opened again after a failure."""

    def __init__(self, url: str, *, prepares_statements: bool) -> None:
        self._url = url
        self._cache_size = 100 if prepares_statements else 0
        self._turn = asyncio.Lock()
        self._connection: asyncpg.Connection[Any] | None = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            yield self._connection

    async def _connect(self) -> asyncpg.Connection[Any]:
        try:
            return await asyncpg.connect(
                self._url,
                timeout=CONNECT_S,
                command_timeout=STATEMENT_S,
                statement_cache_size=self._cache_size,
            )
        except ValueError as error:  # its text may hold a part of the password
            raise StoreFormatError(
                "is malformed: check host and port; special characters of the password must be escaped"
            ) from error
        except _FAILURES as error:
            raise StoreError(f"cannot connect: {describe_failure(error)}") from error

    def drop(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CONNECT_S)
            except _FAILURES:
                connection.terminate()


class _PostgresSession:
    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        return [tuple(row) for row in await self._connection.fetch(to_numbered(sql), *parameters)]

    async def run_script(self, script: str) -> None:
        await self._connection.execute(script)


def to_numbered(sql: str) -> str:
    """Replace each `?` in a statement by `$1`, `$2` and so on, which PostgreSQL expects."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))


def describe_failure(error: BaseException) -> str:
    """Return the reason of a failure for operators. It contains no password."""
    if isinstance(error, TimeoutError):
        return "the database does not respond in time"
    text = str(error).splitlines()[0] if str(error) else ""
    if "prepared statement" in text:
        text += "; behind a pooler, set ledger.prepared_statements to false"
    return text or type(error).__name__


async def _claim_keys(connection: asyncpg.Connection[Any], entries: Sequence[Entry]) -> list[Entry]:
    claiming = [entry for entry in entries if entry.claim]
    if not claiming:
        return []
    first: dict[str, KeyClaim] = {}  # PostgreSQL refuses a statement that claims a key twice
    for entry in claiming:
        if entry.claim:
            first.setdefault(entry.claim.key, entry.claim)
    claims = [first[key] for key in sorted(first)]  # all replicas lock keys in the same order
    columns = [list(column) for column in zip(*(claim[:4] for claim in claims), strict=True)]
    now_us = max(claim.now_us for claim in claims)
    won = {row[0] for row in await connection.fetch(_CLAIM_KEYS, *columns, now_us)}
    return [entry for entry in claiming if entry.event.call not in won]


async def _find_fenced(connection: asyncpg.Connection[Any], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries whose calls have other epochs, and lock the rows of the other calls."""
    fenced = [entry for entry in entries if entry.fence is not None]
    if not fenced:
        return []
    rows = await connection.fetch(_FIND_EPOCHS, [entry.event.call for entry in fenced])
    found = {row[0]: (row[1], row[2]) for row in rows}
    return [one for one in fenced if is_fenced_off(one, *found.get(one.event.call, (None, None)))]


async def _find_committed(connection: asyncpg.Connection[Any], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that an earlier commit has written, although it ended with an error.

    An earlier commit that is still under way holds the row of the next number, so it has ended before.
    """
    doubtful = [entry for entry in entries if entry.is_doubtful]
    if not doubtful:
        return []
    rows = await connection.fetch(_FIND_EVENTS, [entry.event.call for entry in doubtful])
    known = {tuple(row) for row in rows}
    return [entry for entry in doubtful if entry.event in known]


async def _write(connection: asyncpg.Connection[Any], entries: Sequence[Entry]) -> None:
    calls, kinds, times, bodies = (
        zip(*(entry.event for entry in entries), strict=True) if entries else [()] * 4
    )
    base = await connection.fetchval(_INSERT_EVENTS, len(entries), calls, kinds, times, bodies)
    rows, updates = split_rows(entries)
    if rows:
        await connection.execute(_INSERT_CALLS, *_to_columns([(base + index, *row) for index, row in rows]))
    if updates:
        await connection.execute(_UPDATE_CALLS, *_to_columns(updates))
    free = [entry.event.call for entry in entries if entry.frees_key]
    if free:
        await connection.execute(_FREE_KEYS, free)


def _to_columns(rows: Sequence[tuple[int, *tuple[Any, ...]] | CallRow | CallUpdate]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
