"""The version of the ledger's tables, and the SQL that brings the tables to the current version."""

from __future__ import annotations

import logging
from io import StringIO
from pathlib import Path
from typing import Literal, TypeAlias

from gateway.ledger.columns import VERSION

Dialect: TypeAlias = Literal["sqlite", "postgresql"]

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


class SchemaVersionError(ValueError):
    """The database was not made by the ledger, or was made by a newer version of the gateway."""


def make_migration(dialect: Dialect, current: str | None, *, has_tables: bool) -> str:
    """Return the SQL script that brings the tables to the current version; empty if nothing is to do.

    Args:
        dialect: the dialect of the SQL.
        current: the version of the tables; None if the database has no version.
        has_tables: whether the database has tables that the ledger would use.

    Raises:
        SchemaVersionError: the database is not a ledger, or its version is not known.
    """
    check_version(current, has_tables=has_tables)
    if current == VERSION:
        return ""
    return _to_sql(dialect, VERSION if current is None else f"{current}:{VERSION}")


def check_version(current: str | None, *, has_tables: bool) -> None:
    """Check that the tables are those of a ledger, and that their version is known.

    Args:
        current: the version of the tables; None if the database has no version.
        has_tables: whether the database has tables that the ledger would use.

    Raises:
        SchemaVersionError: the database is not a ledger, or its version is not known.
    """
    if current is None and has_tables:
        raise SchemaVersionError("has tables that are not the ledger of a gateway; use another database")
    if current is not None and current not in known_versions():
        raise SchemaVersionError(
            f"has version {current!r}, which this gateway does not know; a newer gateway wrote it"
        )


def known_versions() -> frozenset[str]:
    """Return the versions of all migrations."""
    return frozenset(path.stem.removeprefix("v") for path in _VERSIONS.glob("v*.py"))


def _to_sql(dialect: Dialect, revisions: str) -> str:
    # Alembic is imported only for a migration: it uses 40 MB of memory with SQLAlchemy.
    from alembic import command  # noqa: PLC0415 - as said
    from alembic.config import Config  # noqa: PLC0415 - as said

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs each plug-in that it loads
    buffer = StringIO()
    config = Config(output_buffer=StringIO(), attributes={"dialect": dialect, "buffer": buffer})
    config.set_main_option("script_location", str(_VERSIONS.parent))
    command.upgrade(config, revisions, sql=True)
    return buffer.getvalue()
