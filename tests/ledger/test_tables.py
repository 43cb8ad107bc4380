"""The tables, the migrations that create them, and the names of columns in the serving process agree."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.ledger.columns import CALL_COLUMNS, EVENT_COLUMNS, PREFIX, UPDATE_COLUMNS
from gateway.ledger.tables import calls, events, metadata
from tests.ledger.making import Database

_POSTGRES_COLUMNS = (
    "SELECT c.table_name::text, c.column_name::text, c.data_type::text, c.is_nullable::text, "
    "coalesce(c.column_default, '')::text FROM information_schema.columns c "
    "WHERE c.table_schema = ? ORDER BY c.table_name, c.ordinal_position"
)


async def describe(database: Database, schema: str = "public") -> list[tuple[Any, ...]]:
    """Return the columns and the indexes of all tables."""
    if database.dialect == "sqlite":
        names = await database.read("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        columns = [(name, *row) for (name,) in names for row in await _columns_of(database, name)]
        indexes = await database.read("SELECT sql FROM sqlite_master WHERE type = 'index' ORDER BY name")
        return columns + [(str(sql).replace("\n", ""),) for (sql,) in indexes if sql]
    columns = await database.read(_POSTGRES_COLUMNS, schema)
    indexes = await database.read(
        "SELECT indexdef::text FROM pg_indexes WHERE schemaname = ? ORDER BY indexname", schema
    )
    return columns + [(text.replace(f" {schema}.", " "),) for (text,) in indexes]


async def _columns_of(database: Database, table: str) -> list[tuple[Any, ...]]:
    return [row[1:] for row in await database.read(f"PRAGMA table_info({table})")]


def is_of_alembic(row: tuple[Any, ...]) -> bool:
    return "ledger_version" in row[0]


async def test_the_migrations_create_the_tables(database: Database) -> None:
    await database.open()
    migrated = [row for row in await describe(database) if not is_of_alembic(row)]
    dialect: sa.Dialect = sqlite.dialect() if database.dialect == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]
    script = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    script += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    ]
    sql = ";".join(script)
    if database.dialect == "postgresql":
        await database.change(f"CREATE SCHEMA other; SET search_path TO other; {sql}")
        expected = await describe(database, "other")
    else:
        other = Database("sqlite", f"{database.url}.other", database.stack)
        await other.change(sql)
        expected = await describe(other)
    assert migrated == expected
    assert len(migrated) > 40


def test_the_columns_that_the_serving_process_uses() -> None:
    assert tuple(events.c.keys()) == EVENT_COLUMNS
    names = set(calls.c.keys())
    assert names.issuperset(CALL_COLUMNS)
    assert names.issuperset(UPDATE_COLUMNS)
    assert names - {*CALL_COLUMNS, *UPDATE_COLUMNS} == {"epoch", "tries"}
    required = {one.name for one in calls.c if not one.nullable and one.server_default is None}
    assert required <= set(CALL_COLUMNS)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_all_names_have_the_prefix(table: sa.Table) -> None:
    assert table.name.startswith(PREFIX)
    assert all(str(index.name).startswith(PREFIX) for index in table.indexes)
