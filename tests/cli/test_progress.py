"""The progress on a terminal: in this process, and of the commands that show it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from gateway.cli import progress
from gateway.cli.progress import ProgressBar
from tests.cli.audit.conftest import commit
from tests.commands import run_command
from tests.conftest import ROOT
from tests.ledger.records import begun
from tests.processes import command_with, process_environment
from tests.screens import Screen
from tests.waiting import GENEROUS_S

TERMINAL = {"TERM": "xterm", "NO_COLOR": ""}
# rich hides the cursor while a bar is shown, and shows it again after it has removed the bar.
CURSOR_HIDDEN, CURSOR_SHOWN = "\x1b[?25l", "\x1b[?25h"
LINE_ERASED = "\x1b[2K"
DELAY = "gateway.cli.progress.DELAY_S"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is shown at once."""
    monkeypatch.setattr(progress, "DELAY_S", 0.0)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, kind: str = "xterm") -> Iterator[Screen]:
    """Make a terminal the standard error of this process. pytest would undo this at the end of a fixture."""
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("NO_COLOR", "")
    with Screen() as screen, os.fdopen(os.dup(screen.follower), "w") as stream, redirect_stderr(stream):
        yield screen


def fail_when(screen: Screen) -> None:
    with ProgressBar("counting"):
        screen.wait_for("counting")
        raise ValueError("failed")


@pytest.mark.usefixtures("quick")
def test_a_bar_shows_what_is_done_and_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("counting") as bar:
            screen.wait_for("counting")
            bar.set(1, 4)
            screen.wait_for("25%")
            bar.done += 1
            screen.wait_for("50%")
        shown = screen.read_all()
    assert CURSOR_HIDDEN in shown
    assert CURSOR_SHOWN in shown.rpartition("50%")[2]
    assert shown.endswith(LINE_ERASED)


def test_items_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("counting") as bar:
            assert list(bar.count("abc")) == ["a", "b", "c"]
            assert bar.done == 3
        assert screen.read_all() == ""


def test_nothing_is_shown_within_the_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with ProgressBar("counting"):
            pass
        assert screen.read_all() == ""
        started = time.monotonic()
        with ProgressBar("counting"):
            screen.wait_for("counting")
            assert time.monotonic() - started >= 1.0


@pytest.mark.usefixtures("quick")
def test_a_failure_removes_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with pytest.raises(ValueError, match="failed"):
            fail_when(screen)
        assert screen.read_all().endswith(LINE_ERASED)
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_standard_output_on_the_same_terminal_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch), redirect_stdout(sys.stderr):
        assert not ProgressBar("exporting", streams_output=True).is_shown
        assert ProgressBar("verifying").is_shown
        with redirect_stdout(StringIO()):
            assert ProgressBar("exporting", streams_output=True).is_shown


@pytest.mark.usefixtures("quick")
def test_without_a_terminal_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with redirect_stderr(StringIO()) as stream, ProgressBar("counting") as bar:
        assert not bar.is_shown
        assert "progress" not in {thread.name for thread in threading.enumerate()}
    assert stream.getvalue() == ""
    with redirect_stderr(None):  # it was closed before the start
        assert not ProgressBar("counting").is_shown


@pytest.mark.usefixtures("quick")
def test_a_terminal_without_cursor_movement_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, "dumb") as screen:
        with ProgressBar("counting"):
            for thread in threading.enumerate():  # it ends when it has seen the kind of the terminal
                if thread.name == "progress":
                    thread.join(GENEROUS_S)
                    assert not thread.is_alive()
        assert screen.read_all() == ""


def start(screen: Screen, *words: str | Path) -> subprocess.Popen[str]:
    """Start a command whose standard error is a terminal, and which shows its progress earlier."""
    process = subprocess.Popen(
        [*command_with({DELAY: 0.1}), *words],
        cwd=ROOT,
        env=process_environment(TERMINAL),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=screen.follower,
        text=True,
    )
    screen.close_follower()
    return process


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that a writer can lock for readers."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    commit(path, *(begun(f"call-{number}") for number in range(20)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return path


COMMANDS = {
    "verify": (["audit", "verify"], "verifying events"),
    "export": (["audit", "export"], "exporting"),
    "export csv": (["audit", "export", "--format", "csv"], "exporting"),
    "replay": (["policy", "replay", "--bundle", "policies"], "evaluating decisions"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_its_progress_on_standard_error_only(ledger: Path, name: str) -> None:
    words, title = COMMANDS[name]
    all_words = (*words, "--ledger", f"sqlite:///{ledger}")
    with Screen() as screen, closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")  # the command waits for it
        process = start(screen, *all_words)
        screen.wait_for(title)
        connection.execute("ROLLBACK")
        stdout, _ = process.communicate(timeout=60)
        shown = screen.read_all()
    assert CURSOR_SHOWN in shown.rpartition(title)[2]
    expected = run_command(*all_words)
    assert (process.returncode, stdout) == (expected.returncode, expected.stdout)
    assert expected.stderr == ""


def test_an_export_of_tiles_reports_its_end_after_the_bar(ledger: Path, tmp_path: Path) -> None:
    words = ("audit", "export", "--tiles", tmp_path / "tiles", "--ledger", f"sqlite:///{ledger}")
    with Screen() as screen, closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        process = start(screen, *words)
        screen.wait_for("exporting")
        connection.execute("ROLLBACK")
        stdout, _ = process.communicate(timeout=60)
        shown = screen.read_all()
    assert (process.returncode, stdout) == (0, "")
    assert shown.rpartition(CURSOR_SHOWN)[2].endswith(f"20 events written to {tmp_path / 'tiles'}\r\n")


def test_a_replay_of_a_file_shows_the_part_that_was_read(tmp_path: Path) -> None:
    fifo = tmp_path / "records"
    os.mkfifo(fifo)
    with Screen() as screen:
        process = start(screen, "policy", "replay", fifo, "--bundle", "policies")
        with fifo.open("w") as writer:
            screen.wait_for("evaluating decisions")
            writer.write('{"message": "no record"}\n')
        stdout, _ = process.communicate(timeout=60)
        screen.read_all()
    assert process.returncode == 2
    assert stdout.startswith("0 decisions evaluated")
    assert screen.shown.endswith("there are no records of decisions here\r\n")
