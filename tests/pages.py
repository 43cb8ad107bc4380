"""Pages of the documentation that are run: files are written, commands run in order, and outputs compared."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_TEXT, ANY_LINES = "…", "…\n"
MARK = "@@@ "
TOOLS = ("curl", "openssl")
DEFAULTS = {"REST": "127.0.0.1:8080", "GRPC": "127.0.0.1:8081", "ADMIN": "127.0.0.1:9090"}
FILE = re.compile(r"# ([\w/]+\.yaml)\n")


@dataclass(frozen=True)
class Step:
    """A command with the output that the page shows."""

    command: str
    output: str


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """The blocks of a page: files by their name, and consoles."""
    for kind, text in BLOCK.findall(page):
        if kind == "console":
            yield "", text
        elif file := FILE.match(text):
            yield file[1], text


def steps(console: str) -> list[Step]:
    parts = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    halves = [part.partition("\n") for part in parts]
    return [Step(command, output) for command, _, output in halves]


def script(page: str, ports: dict[str, str]) -> tuple[str, list[Step]]:
    """A shell script that goes through a page, and the commands in it."""
    lines = ["set -m"]
    commands: list[Step] = []
    for name, text in blocks(page):
        if name:
            lines += [f"mkdir -p {Path(name).parent}", f"cat > {name} <<'END'\n{text}END"]
            continue
        for step in steps(text):
            lines += [f"echo '{MARK}{len(commands)}'", step.command]
            commands.append(step)
    whole = "\n".join(lines)
    for listener, address in DEFAULTS.items():
        whole = whole.replace(address, ports[f"GATEWAY__{listener}__LISTEN"])
    return whole, commands


def is_shown(shown: str, given: str) -> bool:
    """Tell whether an output is the one that the page shows; `…` stands for any text, on a line for lines."""
    pattern = "".join(
        ".*" if part == ANY_TEXT else "(?:.*\n)*?" if part == ANY_LINES else re.escape(part)
        for part in re.split("((?:(?<=\n)|^)…\n|…)", shown)
    )
    return re.fullmatch(pattern, given) is not None


def write_substitutes(folder: Path) -> Path:
    """Commands of our own for those that a minimal machine lacks."""
    for name in TOOLS:
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/substitutes/{name}.py" "$@"\n')
        command.chmod(0o755)
    return folder


def run_page(page: str, factory: pytest.TempPathFactory, tools: str) -> list[Step]:
    """Go through a page, compare all outputs, and return the commands.

    Args:
        page: the text of the page.
        factory: makes the folders.
        tools: `substitutes` for our own commands instead of those of the machine.
    """
    path = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    if tools == "substitutes":
        path.insert(0, str(write_substitutes(factory.mktemp("bin"))))
    elif missing := [name for name in TOOLS if shutil.which(name) is None]:
        pytest.skip(f"this machine has no {' and no '.join(missing)}; the substitutes go through the page")
    ports = free_ports()
    folder = factory.mktemp("page")
    whole, commands = script(page, ports)
    whole = whole.replace("/tmp/", f"{folder}/../")  # noqa: S108 - another user may have left it there
    done = subprocess.run(
        ["bash", "-c", whole],
        cwd=folder,
        env={"PATH": ":".join(path), **ports},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    outputs = re.split(f"^{MARK}\\d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(outputs) == len(commands), done.stdout
    for step, output in zip(commands, outputs, strict=True):
        told = re.sub(r"^\[\d+\].*\n", "", output, flags=re.MULTILINE)  # what the shell says of its jobs
        assert is_shown(step.output.strip("\n") + "\n", told.strip("\n") + "\n"), (step.command, output)
    return commands
