"""Runs commands in this process, as click's own test runner does: that spares the start of a process."""

from __future__ import annotations

import os
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from click.testing import CliRunner

from gateway.cli.program import main
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def run_command(
    *words: str | Path, stdin: str | bytes = "", cwd: Path = ROOT, **environment: str
) -> Finished:
    """Run a command that does not serve; an exception that a user would see as a traceback is raised."""
    with chdir(cwd), _kept_standard_output():
        result = CliRunner().invoke(
            main, [str(word) for word in words], input=stdin, env=environment, prog_name="baremetal-gateway"
        )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(result.exit_code, result.stdout, result.stderr)


@contextmanager
def _kept_standard_output() -> Iterator[None]:
    """Restore the descriptor of standard output: a command whose output cannot be written replaces it."""
    kept = os.dup(1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
