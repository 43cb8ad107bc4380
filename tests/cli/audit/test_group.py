"""The command group `audit`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import run_command


def test_help_names_each_command() -> None:
    done = run_command("audit", "--help")
    assert done.returncode == 0
    for name in ("list", "show", "export", "verify", "settle"):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", ["list", "export", "verify"])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://host/db", "--ledger takes sqlite:///FILE or postgresql://"),
        ("ledger.db", "--ledger takes sqlite:///FILE"),
        ("postgresql://me:secret@127.0.0.1:1/x", "the ledger cannot be read: cannot connect"),
    ],
)
def test_a_ledger_that_cannot_be_read(name: str, url: str, expected: str) -> None:
    done = run_command("audit", name, "--ledger", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "secret" not in done.stderr


def test_the_ledger_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"ledger: {{url: 'sqlite:///{tmp_path}/configured.db'}}\n")
    done = run_command("audit", "list", "--config", file)
    assert done.returncode == 2
    assert "configured.db: there is no such file" in done.stderr
