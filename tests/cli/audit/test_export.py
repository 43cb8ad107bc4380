"""The export of events, calls and tiles."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.audit.conftest import Audit, commit
from tests.commands import run_command
from tests.ledger.records import begun


def test_events_as_json_lines(audit: Audit) -> None:
    done = audit("export")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["seq"], event["kind"], event["id"]) for event in events] == [
        (0, "decision", "a"),
        (1, "outcome", "a"),
        (2, "decision", "b"),
        (3, "decision", "c"),
    ]


def test_calls_as_csv(audit: Audit) -> None:
    done = audit("export", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["call_id"], row["outcome"], row["caller"]) for row in rows] == [
        ("request-a", "ok", "me"),
        ("request-b", "denied", "me"),
        ("request-c", "unknown", "me"),
    ]
    assert rows[2]["name"] == "'=1+1"  # no formula
    assert rows[0]["labels"] == "env=dev"


def test_an_empty_ledger(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    commit(path)
    for words in ((), ("--format", "csv")):
        done = run_command("audit", "export", *words, "--ledger", f"sqlite:///{path}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run_command("audit", "export", "--tiles", tmp_path / "tiles", "--ledger", f"sqlite:///{path}")
    assert done.returncode == 2
    assert "there is no checkpoint yet" in done.stderr


def test_tiles_have_the_newest_checkpoint_and_its_events_only(
    audit: Audit, path: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        (note,) = connection.execute("SELECT note FROM ledger_checkpoints").fetchone()
    commit(path, begun("d"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM ledger_checkpoints WHERE size = 5")
    done = audit("export", "--tiles", tmp_path / "tiles")
    assert (done.returncode, done.stdout) == (0, "")
    assert "4 events written" in done.stderr
    assert (tmp_path / "tiles" / "checkpoint").read_text() == note
    assert audit("export", "--tiles", tmp_path / "tiles").returncode == 0


def test_tiles_without_removed_events_are_not_possible(audit: Audit, path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ledger_tree SET pruned = 2")
    done = audit("export", "--tiles", tmp_path / "tiles")
    assert done.returncode == 2
    assert "retention has removed 2 events" in done.stderr
    assert not (tmp_path / "tiles").exists()


def test_a_folder_that_cannot_be_written(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = audit("export", "--tiles", tmp_path / "file" / "tiles")
    assert done.returncode == 2
    assert "Not a directory" in done.stderr
