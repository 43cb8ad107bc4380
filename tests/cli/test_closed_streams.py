"""Standard streams that are closed when a process starts."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.processes import COMMAND, free_ports, process_environment, wait_until_ready


def start(*words: str, closed: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """Start a command whose standard streams `closed` are closed; return it with the admin address."""
    ports = free_ports()
    closing = " ".join(f"{number}>&-" for number in closed)
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {closing}', "sh", *COMMAND, *words],
        cwd=ROOT,
        env=process_environment(ports, environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, ports["GATEWAY__ADMIN__LISTEN"]


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_records_for_a_closed_standard_output_stop_the_start(command: str) -> None:
    process, _ = start(command, closed="1")
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 2
    assert "decision_log.type: standard output is closed" in err
    assert "set decision_log.type to file" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("closed", ["1", "01", "02", "012"])
def test_no_file_or_socket_takes_the_place_of_a_closed_stream(closed: str) -> None:
    process, admin = start("serve", closed=closed, GATEWAY__DECISION_LOG__TYPE="none")
    try:
        wait_until_ready(f"http://{admin}/readyz", process)
        opened = {number: str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) for number in closed}
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert opened == dict.fromkeys(closed, "/dev/null")
    assert process.returncode == 0


def test_what_is_closed_is_known_after_it_was_reserved(tmp_path: Path) -> None:
    program = """
        import os, sys
        from gateway.cli.closed_streams import reserve_closed_streams
        from gateway.sinks.stdout import is_stdout_closed
        before = is_stdout_closed()
        reserve_closed_streams()
        os.write(1, b"nowhere")
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(f"{before} {is_stdout_closed()} {file.fileno() > 2}")
    """
    words = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "found")]
    subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *words], cwd=ROOT, check=True, timeout=60)
    assert (tmp_path / "found").read_text() == "True True True"
