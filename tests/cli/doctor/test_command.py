"""The command `doctor`: its exit codes, its output, and its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.doctor.examining import NOBODY, make_sections
from tests.commands import run_command
from tests.conftest import ROOT
from tests.redis_server import PASSWORD


@pytest.fixture(scope="module")
def emulated() -> Iterator[str]:
    """The address of an emulated cloud in a process of its own, because the command blocks this one."""
    code = (
        "import asyncio; from gateway.emulator import Emulator\n"
        "async def main():\n"
        "    async with Emulator() as emulator:\n"
        "        print(emulator.address, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    yield process.stdout.readline().decode().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def write(folder: Path, **sections: Any) -> Path:
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(make_sections(**sections)))
    file.chmod(0o600)
    return file


def upstreams(address: str) -> dict[str, Any]:
    return {name: {"address": address, "tls": False} for name in ("baremetal", "operation")}


def test_no_finding(emulated: str, tmp_path: Path) -> None:
    file = write(tmp_path, upstreams=upstreams(emulated))
    found = run_command("doctor", "--config", file, "--timeout", "60")
    assert (found.returncode, found.stderr) == (0, ""), found.stdout
    assert found.stdout.endswith("\nno findings\n")
    assert f"ok: upstreams: baremetal: {emulated} responds to gRPC (UNIMPLEMENTED)\n" in found.stdout


def test_a_finding(tmp_path: Path) -> None:
    file = write(tmp_path)
    found = run_command("doctor", "--config", file, "--json", "--timeout", "60")
    assert (found.returncode, found.stderr) == (1, "")
    results = [json.loads(line) for line in found.stdout.splitlines()]
    assert [one["subject"] for one in results if one["status"] == "finding"] == ["baremetal", "operation"]
    assert all(list(one) == ["check", "subject", "status", "message", "fix"] for one in results)


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    found = run_command("doctor", "--config", write(tmp_path, limits={"deadline_s": -1}))
    assert (found.returncode, found.stdout) == (2, "")
    assert "limits.deadline_s" in found.stderr
    assert run_command("doctor", "--config", tmp_path / "none").returncode == 2


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Each key that can hold a secret has one, and every part that uses it fails."""
    secret = "canary-7f3a"
    (tmp_path / "token").write_text(secret)
    (tmp_path / "token").chmod(0o644)
    file = write(
        tmp_path,
        upstreams={
            "baremetal": {"address": NOBODY, "credentials": {"type": "static", "token": secret}},
            "operation": {
                "address": NOBODY,
                "credentials": {"type": "file", "path": str(tmp_path / "token")},
            },
        },
        ledger={"url": f"postgresql://user:{secret}@{NOBODY}/ledger?password={secret}"},
        limits={"store": f"redis://user:{secret}@{NOBODY}/0", "rate": "1/second"},
    )
    variables: dict[str, Any] = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{NOBODY}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={secret}",
    }
    for arguments in ([], ["--json"]):
        found = run_command("doctor", "--config", file, "--timeout", "4", *arguments, **variables)
        assert found.returncode == 1
        assert secret not in found.stdout + found.stderr
        assert PASSWORD not in found.stdout


def test_a_file_system_that_does_not_respond(tmp_path: Path) -> None:
    """A thread that waits for the system cannot be cancelled. The process ends all the same."""
    code = (
        "import sys, time; from gateway.cli.doctor import file_systems, files\n"
        "files.find_file_system = lambda *_: time.sleep(600)\n"
        "from gateway.cli.program import main\n"
        "main(sys.argv[1:])"
    )
    file = write(tmp_path, ledger={"url": f"sqlite:///{tmp_path}/ledger.db"})
    started = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--config", str(file), "--timeout", "8"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert found.returncode == 1
    assert "finding: files: files: the check did not end within 8 s" in found.stdout
    assert found.stdout.count("baremetal: cannot connect") == 1
    assert time.monotonic() - started < 40
