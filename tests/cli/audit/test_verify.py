"""The command that verifies the ledger. What it finds is in tests/test_tampering.py."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.audit.conftest import Audit, commit
from tests.commands import run_command
from tests.ledger.records import begun
from tests.tlog.keys import private_pem, public_pem


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_bytes(public_pem())
    return path


def test_a_ledger_that_holds(audit: Audit, key: Path) -> None:
    done = audit("verify", "--public-key", key)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "4 events read, 0 removed by retention",
        "1 checkpoints hold (signatures checked)",
        "the ledger holds",
    ]


def test_without_a_key_the_signatures_are_not_checked(audit: Audit) -> None:
    assert "signatures not checked: no key was given" in audit("verify").stdout
    assert json.loads(audit("verify", "--json").stdout)["signatures_checked"] is False


def test_a_fault_is_named(audit: Audit, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM ledger_events WHERE seq = 1")
    done = audit("verify")
    assert done.returncode == 1
    assert "FAULT  event 1 was removed; the next one is event 2" in done.stdout
    assert done.stdout.endswith("the ledger does not hold\n")


def test_events_after_the_checkpoint(audit: Audit, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM ledger_checkpoints")
    done = audit("verify")
    assert (done.returncode, "4 events after the last checkpoint" in done.stdout) == (0, True)


def test_another_origin_is_another_key(audit: Audit, key: Path) -> None:
    done = audit("verify", "--public-key", key, "--origin", "another/ledger")
    assert done.returncode == 1
    assert "has no signature by the key another/ledger" in done.stdout


@pytest.mark.parametrize("content", [b"", b"\xff", b"no key"])
def test_a_file_that_is_no_key(audit: Audit, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    done = audit("verify", "--public-key", path)
    assert done.returncode == 2
    assert "no public key in PEM form" in done.stderr


def test_files_that_do_not_exist(audit: Audit, tmp_path: Path) -> None:
    for option in ("--public-key", "--checkpoints"):
        done = audit("verify", option, tmp_path / "nothing")
        assert done.returncode == 2
        assert "cannot be read: No such file" in done.stderr


def test_the_key_and_the_checkpoints_of_the_configuration(path: Path, tmp_path: Path) -> None:
    (tmp_path / "private.pem").write_bytes(private_pem())
    with closing(sqlite3.connect(path)) as connection, connection:
        (note,) = connection.execute("SELECT note FROM ledger_checkpoints").fetchone()
    (tmp_path / "checkpoints").write_text(note)
    environment: dict[str, Any] = {
        "GATEWAY__LEDGER__URL": f"sqlite:///{path}",
        "GATEWAY__LEDGER__SIGNING_KEY": str(tmp_path / "private.pem"),
        "GATEWAY__LEDGER__CHECKPOINTS": str(tmp_path / "checkpoints"),
    }
    result = json.loads(run_command("audit", "verify", "--json", **environment).stdout)
    assert (result["signatures_checked"], result["checkpoints"], result["holds"]) == (True, 2, True)
    commit(path, begun("d"), is_signed=False)
    done = run_command("audit", "verify", "--json", **environment)
    assert (done.returncode, json.loads(done.stdout)["holds"]) == (1, False)
