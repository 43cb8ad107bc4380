"""The command that settles a call."""

from __future__ import annotations

import getpass
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.config.ledger import LedgerSection
from gateway.ledger.requests import folder_of, take_requests
from gateway.ledger.service import open_store
from gateway.ledger.sqlite_store import SqliteStore
from tests.cli.audit.conftest import Audit

SETTLE = ("settle", "c", "--outcome", "ok", "--reason", "seen")


def last_event(audit: Audit, key: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(audit("show", key, "--json").stdout)["events"][-1]
    return event


def test_a_call_of_a_stopped_gateway_is_settled(audit: Audit) -> None:
    done = audit(*SETTLE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "c: ok\n", "")
    event = last_event(audit, "c")
    assert (event["kind"], event["outcome"], event["by"], event["reason"]) == (
        "settlement",
        "ok",
        "operator",
        "seen",
    )
    assert event["user"] == getpass.getuser()
    assert audit("verify").returncode == 0


def test_a_user_without_a_name(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert audit(*SETTLE).returncode == 0
    assert last_event(audit, "c")["user"] == f"uid {os.getuid()}"


@pytest.mark.parametrize("key", ["a", "request-a", "op-1", "nothing", ""])
def test_a_call_whose_outcome_is_known_is_not_settled(audit: Audit, key: str) -> None:
    done = audit("settle", key, "--outcome", "ok", "--reason", "seen")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"no call {key!r} is without a known outcome\n"


def test_wrong_words(audit: Audit) -> None:
    assert audit("settle", "c", "--outcome", "unknown", "--reason", "r").returncode == 2
    assert audit("settle", "c", "--outcome", "ok").returncode == 2


def test_a_ledger_that_does_not_exist(tmp_path: Path, audit: Audit) -> None:
    assert audit("list").returncode == 0
    from tests.commands import run_command  # noqa: PLC0415 - another ledger

    done = run_command("audit", *SETTLE, "--ledger", f"sqlite:///{tmp_path / 'nothing.db'}")
    assert (done.returncode, "there is no such file" in done.stderr) == (2, True)
    assert not (tmp_path / "nothing.db").exists()


@pytest.fixture
def locked(path: Path) -> Any:
    """The ledger while a gateway uses it."""
    store = open_store(LedgerSection(url=f"sqlite:///{path}"))
    assert isinstance(store, SqliteStore)
    store._lock()  # noqa: SLF001 - as a gateway
    yield
    store._close()  # noqa: SLF001


def test_a_gateway_that_does_not_carry_out_the_request(
    locked: None, audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["gateway.cli.audit.settle"], "WAIT_S", 0.3)
    done = audit(*SETTLE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has not carried out the request" in done.stderr
    assert list(folder_of(path).iterdir()) == []
    assert locked is None


def test_a_long_reason_fits_into_a_request(
    locked: None, audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["gateway.cli.audit.settle"], "WAIT_S", 0.6)
    taken: list[dict[str, Any]] = []

    def take() -> None:
        for _ in range(100):
            taken.extend(take_requests(path))
            if taken or stopped.wait(0.02):
                return

    stopped = threading.Event()
    thread = threading.Thread(target=take)
    thread.start()
    reason = "ä" * 20_000 + "\U0001f600"
    assert audit("settle", "c", "--outcome", "ok", "--reason", reason).returncode == 2
    stopped.set()
    thread.join()
    assert [request["settle"] for request in taken] == ["c"]
    assert locked is None
