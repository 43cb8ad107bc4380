"""docs/commands.md: its commands run, with the files that it shows, and their output is compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pages import Step, is_shown, steps
from tests.processes import without_coverage

PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = "# gateway.yaml\n"


def examples() -> list[tuple[str, Step]]:
    """Return each command of the page, with the last file above it."""
    found, file = [], ""
    for kind, text in BLOCK.findall(PAGE):
        if kind == "yaml":
            assert text.startswith(FILE)
            file = text.removeprefix(FILE)
        else:
            found += [(file, step) for step in steps(text)]
    return found


@pytest.mark.parametrize(("file", "step"), examples(), ids=lambda one: getattr(one, "command", "")[:60])
def test_a_command_prints_what_the_page_shows(tmp_path: Path, file: str, step: Step) -> None:
    (tmp_path / "gateway.yaml").write_text(file)
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=tmp_path,
        env=without_coverage() | {"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert is_shown(step.output.strip("\n") + "\n", done.stdout), done.stdout
    assert done.returncode == ("config check" in step.command)
