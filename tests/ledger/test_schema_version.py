"""The version of the tables: which databases are migrated, and which are refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.ledger.columns import VERSION
from gateway.ledger.schema_version import Dialect, SchemaVersionError, known_versions, make_migration


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_current_database_needs_no_migration(dialect: Dialect) -> None:
    assert make_migration(dialect, VERSION, has_tables=True) == ""


def test_the_current_version_is_the_newest_migration() -> None:
    assert max(known_versions()) == VERSION


def test_foreign_tables_are_refused() -> None:
    with pytest.raises(SchemaVersionError, match="use another database"):
        make_migration("sqlite", None, has_tables=True)


@pytest.mark.parametrize("version", ["0002", "", "0001:head", "base"])
def test_unknown_versions_are_refused(version: str) -> None:
    with pytest.raises(SchemaVersionError, match="a newer gateway wrote it"):
        make_migration("postgresql", version, has_tables=True)


def test_serving_does_not_import_the_tools_of_migrations() -> None:
    code = (
        "import sys; import gateway.app, gateway.ledger.postgres_store; "
        "print([name for name in ('sqlalchemy', 'alembic') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
