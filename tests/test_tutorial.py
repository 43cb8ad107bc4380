"""docs/policies.md: its files are written, its commands run, in order, and their output compared."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.processes import free_ports

PAGE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_TEXT, ANY_LINES = "…", "…\n"
MARK = "@@@ "
TOOLS = ("curl", "openssl")
DEFAULTS = {"REST": "127.0.0.1:8080", "GRPC": "127.0.0.1:8081", "ADMIN": "127.0.0.1:9090"}


@dataclass(frozen=True)
class Step:
    """A command with the output that the page shows."""

    command: str
    output: str


def blocks() -> Iterator[tuple[str, str]]:
    """The blocks of the page: files of the bundle by their name, and consoles."""
    for kind, text in BLOCK.findall(PAGE):
        if kind == "console":
            yield "", text
        elif text.startswith("# rules/"):
            yield text.partition("\n")[0].removeprefix("# "), text


def steps(console: str) -> list[Step]:
    parts = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    halves = [part.partition("\n") for part in parts]
    return [Step(command, output) for command, _, output in halves]


def script(ports: dict[str, str]) -> tuple[str, list[Step]]:
    """A shell script that goes through the page, and the commands in it."""
    lines = ["set -m"]
    commands: list[Step] = []
    for name, text in blocks():
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


@pytest.mark.parametrize(
    ("shown", "given", "is_same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a …: b\n", "a x y: b\n", True),
        ("a …: b\n", "a x\ny: b\n", False),
        ("a\n…\nb\n", "a\nb\n", True),
        ("a\n…\nb\n", "a\nx\ny\nb\n", True),
        ("a\n…\nb\n", "a\nx\n", False),
        ("a\n…\n", "a\nx\n", True),
        ("", "x\n", False),
    ],
)
def test_outputs_are_compared(shown: str, given: str, *, is_same: bool) -> None:
    assert is_shown(shown, given) is is_same


def write_substitutes(folder: Path) -> Path:
    """Commands of our own for those that a minimal machine lacks."""
    for name in TOOLS:
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/substitutes/{name}.py" "$@"\n')
        command.chmod(0o755)
    return folder


@pytest.mark.parametrize("tools", ["of the machine", "substitutes"])
def test_every_step_of_the_page_is_true(tmp_path_factory: pytest.TempPathFactory, tools: str) -> None:
    path = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    if tools == "substitutes":
        path.insert(0, str(write_substitutes(tmp_path_factory.mktemp("bin"))))
    elif missing := [name for name in TOOLS if shutil.which(name) is None]:
        pytest.skip(f"this machine has no {' and no '.join(missing)}; the substitutes go through the page")
    ports = free_ports()
    folder = tmp_path_factory.mktemp("tutorial")
    whole, commands = script(ports)
    whole = whole.replace("/tmp/", f"{folder}/../")  # noqa: S108 - another user may have left it there
    assert len(commands) > 20
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
