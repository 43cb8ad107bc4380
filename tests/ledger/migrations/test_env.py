"""The environment of the migrations prints SQL for a dialect, and needs no database."""

from __future__ import annotations

import pytest

from gateway.ledger.schema_version import Dialect, make_migration


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_script_is_whole(dialect: Dialect, capfd: pytest.CaptureFixture[str]) -> None:
    script = make_migration(dialect, None, has_tables=False)
    assert "CREATE TABLE ledger_version" in script
    assert "INSERT INTO ledger_version (version_num) VALUES ('0001')" in script
    assert "BEGIN" not in script  # the store runs it in a transaction of its own
    assert "COMMIT" not in script
    assert capfd.readouterr().out == ""  # decisions may be written to standard output
