"""Reads a ledger while a gateway may be using it. Only commands use this module.

An SQLite file is opened read-only, so that the command cannot write it or its write-ahead log. All reads of
one command belong to one transaction, so they show one state of the ledger.
"""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.dialects import postgresql, sqlite

from gateway.ledger.columns import PREFIX, VERSION
from gateway.ledger.postgres_store import describe_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from sqlalchemy import Select
    from sqlalchemy.engine import Dialect

_CHUNK = 1000
_SQLITE = sqlite.dialect()
_POSTGRESQL = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]


class LedgerReadError(Exception):
    """The ledger cannot be read. The text is for operators, and holds no password."""


class LedgerReader(Protocol):
    """A ledger that is open for reading."""

    def stream(self, select: Select[Any]) -> AsyncGenerator[tuple[Any, ...], None]:
        """Yield the rows of a query. Who stops before the last row must close the generator."""
        ...


@asynccontextmanager
async def open_reader(url: str) -> AsyncIterator[LedgerReader]:
    """Open a ledger for reading, and check its version.

    Raises:
        LedgerReadError: the ledger cannot be read, or has another version.
    """
    opening = _open_sqlite if url.startswith("sqlite:///") else _open_postgres
    async with opening(url) as reader:
        yield reader


async def fetch(reader: LedgerReader, select: Select[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    return [row async for row in reader.stream(select)]


class _SqliteReader:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def stream(self, select: Select[Any]) -> AsyncGenerator[tuple[Any, ...], None]:
        sql, parameters = _compile(select, _SQLITE)
        with (
            _reporting(sqlite3.Error, UnicodeError),  # an argument may be no valid text
            closing(self._connection.execute(sql, parameters)) as cursor,
        ):
            while rows := cursor.fetchmany(_CHUNK):
                for row in rows:
                    yield row


@asynccontextmanager
async def _open_sqlite(url: str) -> AsyncIterator[_SqliteReader]:
    path = Path(url.removeprefix("sqlite:///"))
    if not path.exists():  # noqa: ASYNC240 - a command has nothing else to do
        raise LedgerReadError(f"{path}: there is no such file")
    with _reporting(sqlite3.Error), closing(_connect(path)) as connection:
        connection.execute("BEGIN")
        try:
            (found,) = connection.execute(f"SELECT version_num FROM {PREFIX}version").fetchone()
        except (sqlite3.OperationalError, TypeError) as error:
            raise LedgerReadError(f"{path}: is not the ledger of a gateway ({error})") from error
        _check_version(found)
        yield _SqliteReader(connection)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
    # A text that is no UTF-8 was not written by the gateway. Verification names it if it can be read.
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


class _PostgresReader:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def stream(self, select: Select[Any]) -> AsyncGenerator[tuple[Any, ...], None]:
        sql, parameters = _compile(select, _POSTGRESQL)
        with _reporting(OSError, TimeoutError, *_asyncpg_errors()):
            async for row in self._connection.cursor(sql, *parameters, prefetch=_CHUNK):
                yield tuple(row)


@asynccontextmanager
async def _open_postgres(url: str) -> AsyncIterator[_PostgresReader]:
    import asyncpg  # noqa: PLC0415 - needed only here

    try:
        connection = await asyncpg.connect(url, timeout=10, statement_cache_size=0)
    except ValueError:  # its text may hold a part of the password
        raise LedgerReadError(
            "the URL is malformed: check host and port; special characters of the password must be escaped"
        ) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise LedgerReadError(f"cannot connect: {describe_failure(error)}") from error
    try:
        with _reporting(*_asyncpg_errors()):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                try:
                    found = await connection.fetchval(f"SELECT version_num FROM {PREFIX}version")
                except asyncpg.UndefinedTableError as error:
                    raise LedgerReadError("the database holds no ledger of a gateway") from error
                _check_version(found)
                yield _PostgresReader(connection)
    finally:
        await connection.close(timeout=5)


def _asyncpg_errors() -> tuple[type[Exception], ...]:
    import asyncpg  # noqa: PLC0415 - needed only here

    return asyncpg.PostgresError, asyncpg.InterfaceError


def _check_version(found: str) -> None:
    if found != VERSION:
        raise LedgerReadError(f"the ledger has version {found!r}; this command reads version {VERSION!r}")


def _compile(select: Select[Any], dialect: Dialect) -> tuple[str, list[Any]]:
    compiled = select.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]


@contextmanager
def _reporting(*errors: type[Exception]) -> Iterator[None]:
    """Raise LedgerReadError instead of these errors."""
    try:
        yield
    except errors as error:
        raise LedgerReadError(describe_failure(error)) from error
