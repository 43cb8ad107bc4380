"""Output of the commands of `policy`: readers that leave, disks that are full, secrets."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.policy.conftest import FULL, LINK, record, write
from tests.cli.policy.test_group import run
from tests.conftest import ROOT
from tests.processes import COMMAND
from tests.signed import SIGNATURE, sign_link


@pytest.mark.parametrize(
    "command", ["policy schema", "policy test policies", "policy explain --bundle policies"]
)
def test_a_reader_that_goes_away_is_no_error(command: str) -> None:
    words = [*COMMAND, *command.split()]
    process = subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"{}")
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) in {0, 1}


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full here")
@pytest.mark.parametrize(
    "words", [["schema"], ["check", "policies"], ["hash", "policies"], ["diff", "policies", "policies"]]
)
def test_output_that_finds_no_place_is_told(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY__API__SERVICES")  # the default bundle has policies about all versions
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, "policy", *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "Error: reading or writing failed: No space left on device\n"


@pytest.mark.parametrize(
    "words", [["explain", "--bundle", "policies"], ["replay", "-", "--bundle", "policies"]]
)
def test_a_closed_standard_input_holds_nothing(words: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, "policy", *words],
        cwd=ROOT,
        preexec_fn=lambda: os.close(0),  # as `<&-` does in a shell
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "write one request, as an object" in done.stderr or "there are no records" in done.stderr


def test_no_secret_leaves_any_command(tmp_path: Path) -> None:
    text = (ROOT / "policies/tests/approved-source.yaml").read_text()
    for file in (ROOT / "policies").glob("*.yaml"):
        write(tmp_path / file.name, file.read_text())
    write(tmp_path / "tests.yaml", text.replace("decision: allow", "decision: deny"))
    link = sign_link(LINK.replace("https://", "https://user:pa55word@"))
    bad = record(request={"labels": link}) + record(request={"uri": link})
    outputs = [
        run("test", tmp_path, "--json"),
        run("diff", "policies", tmp_path),
        run("explain", "--bundle", "policies", stdin=json.dumps({"uri": link, "description": SIGNATURE})),
        run("explain", "--bundle", "policies", "--json", stdin=json.dumps({"uri": link})),
        run("explain", "--bundle", "policies", stdin=json.dumps({"labels": link})),
        run("replay", "-", "--bundle", "policies", "--json", stdin=bad),
    ]
    for done in outputs:
        told = done.stdout + done.stderr
        assert told
        for secret in (SIGNATURE, "pa55word", "0123456789abcdef" * 4):
            assert secret not in told
