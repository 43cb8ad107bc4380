"""Completion in real shells, set up as docs/commands.md describes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.processes import without_coverage
from tests.screens import Screen
from tests.waiting import GENEROUS_S

PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
# How each shell is started without the configuration of its user. It reads what it is told from the terminal.
SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
# The command: it completes, and otherwise writes its arguments to a file.
COMMAND = """\
#!{python}
import json, os, pathlib, sys
if "_BAREMETAL_GATEWAY_COMPLETE" in os.environ:
    from gateway.__main__ import main
    main()
path = pathlib.Path({record!r})
path.with_suffix(".part").write_text(json.dumps(sys.argv[1:]))
path.with_suffix(".part").replace(path)
"""
READY = "shell-is-ready"
CASES = {
    "a command": ("pol", ["policy"]),
    "a command of a group": ("config sh", ["config", "show"]),
    "an option": ("policy check --js", ["policy", "check", "--json"]),
    "a value": ("audit export --format cs", ["audit", "export", "--format", "csv"]),
    "a file of an option": ("serve --config gatew", ["serve", "--config", "gateway.yaml"]),
    "a file of an argument": ("policy replay deci", ["policy", "replay", "decisions.jsonl"]),
}


def instructions(shell: str) -> list[str]:
    (block,) = re.findall(rf"^```{shell}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines: list[str] = block.splitlines()
    return lines


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "arguments.json"


@pytest.fixture
def folder(tmp_path: Path, record: Path) -> Path:
    """A folder with files to complete, and the command in a folder of its own."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "baremetal-gateway"
    command.write_text(COMMAND.format(python=sys.executable, record=str(record)))
    command.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("gateway.yaml", "decisions.jsonl"):
        (folder / name).touch()
    return folder


def wait_for_arguments(record: Path, screen: Screen) -> list[str]:
    deadline = time.monotonic() + GENEROUS_S
    while not record.exists():
        assert time.monotonic() < deadline, screen.shown
        screen.read(0.05)
    found: list[str] = json.loads(record.read_text())
    record.unlink()
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_options_values_and_files(shell: str, folder: Path, record: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = without_coverage() | {
        "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder.parent),
        "TERM": "xterm",
        "ZDOTDIR": str(folder.parent),
    }
    with Screen() as screen:
        process = subprocess.Popen(
            # fish needs a terminal that controls its session.
            ["setsid", "--ctty", *SHELLS[shell]],
            cwd=folder,
            env=environment,
            stdin=screen.follower,
            stdout=screen.follower,
            stderr=screen.follower,
        )
        try:
            for line in instructions(shell):
                screen.type(f"{line}\r")
            screen.type(f"echo {READY[:5]}''{READY[5:]}\r")
            screen.wait_for(READY)
            for typed, expected in CASES.values():
                screen.type(f"baremetal-gateway {typed}\t\r")
                assert wait_for_arguments(record, screen) == expected
        finally:
            process.kill()
            process.wait()
