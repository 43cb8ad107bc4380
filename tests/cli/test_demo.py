"""The demo."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import time
import urllib.request
from contextlib import closing
from pathlib import Path

from tests.conftest import GOOD_IMAGE, IMAGES, ROOT
from tests.processes import COMMAND, free_ports, process_environment, serving


def create(rest: str) -> None:
    request = urllib.request.Request(
        f"http://{rest}{IMAGES}",
        json.dumps(GOOD_IMAGE).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["metadata"]["imageId"]


def stop(process: subprocess.Popen[str]) -> str:
    """End a demo by SIGTERM, and return what it printed."""
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return out


def ledger_of(out: str) -> Path:
    """Return the file of the ledger that the text of a demo names."""
    (url,) = re.findall(r"^  baremetal-gateway audit list --ledger sqlite:///(\S+)$", out, re.MULTILINE)
    return Path(url)


def methods_in(ledger: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return [method for (method,) in connection.execute("SELECT method FROM ledger_calls")]


def test_demo_answers_the_curl_line_that_it_prints() -> None:
    with serving("demo", "--delay", "0") as (process, rest, _):
        create(rest)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
    assert f"curl -X POST http://{rest}{IMAGES}" in out
    assert "--ledger" not in out
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["message"] for line in lines] == ["started", "responded", "stopping"]
    (record,) = [json.loads(line) for line in out.splitlines() if line.startswith('{"kind"')]
    assert (record["decision"], record["caller"]["address"]) == ("allow", "127.0.0.1")


def test_demo_has_a_ledger_of_its_own_and_removes_it(tmp_path: Path) -> None:
    with serving("demo", "--delay", "0", GATEWAY__LEDGER__ENABLED="true", TMPDIR=str(tmp_path)) as (
        process,
        rest,
        _,
    ):
        create(rest)
        (ledger,) = tmp_path.glob("baremetal-gateway-*/ledger.db")
        assert methods_in(ledger) == ["yandex.cloud.baremetal.v1alpha.ImageService/Create"]
        out = stop(process)
    assert ledger_of(out) == ledger
    assert list(tmp_path.iterdir()) == []


def test_demo_keeps_a_ledger_that_is_configured(tmp_path: Path) -> None:
    ledger = tmp_path / "own.db"
    with serving("demo", "--delay", "0", GATEWAY__LEDGER__URL=f"sqlite:///{ledger}") as (process, rest, _):
        create(rest)
        out = stop(process)
    assert ledger_of(out) == ledger
    assert len(methods_in(ledger)) == 1


def test_demo_prints_no_password_of_a_ledger(tmp_path: Path) -> None:
    url = "postgresql://gateway:hunter2@127.0.0.1:1/ledger"
    printed = tmp_path / "printed"
    with printed.open("w") as file:
        process = subprocess.Popen(
            [*COMMAND, "demo"],
            cwd=ROOT,
            env=process_environment(free_ports(), {"GATEWAY__LEDGER__URL": url}),
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        # The gateway does not become ready, because the database cannot be reached.
        deadline = time.monotonic() + 30
        while '"started"' not in printed.read_text():
            assert time.monotonic() < deadline, printed.read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert "curl" in printed.read_text()
    assert "--ledger" not in printed.read_text()
    assert "hunter2" not in printed.read_text()
