"""Starts commands as processes, where the process itself is tested."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMAND = (sys.executable, "-m", "gateway")

_CHANGED = """
import importlib
for name, value in {constants!r}.items():
    module, _, constant = name.rpartition(".")
    assert hasattr(importlib.import_module(module), constant), name
    setattr(importlib.import_module(module), constant, value)
from gateway.__main__ import main
main()
"""


def command_with(constants: dict[str, float]) -> tuple[str, ...]:
    """Return the command with other values of constants, named as `gateway.module.NAME`."""
    return (sys.executable, "-c", _CHANGED.format(constants=constants))


def without_coverage() -> dict[str, str]:
    """Return the environment for a process that is not measured: coverage doubles its time."""
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}


def process_environment(*others: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a test process. Without a variable of the ledger, there is no ledger.

    Otherwise all processes of the tests would use one file in the folder of the repository.
    """
    environment = {name: value for other in (os.environ, *others) for name, value in other.items()}
    if not any(name.startswith("GATEWAY__LEDGER") for name in environment):
        environment["GATEWAY__LEDGER__ENABLED"] = "false"
    return environment


def free_ports() -> dict[str, str]:
    """Return the variables that set the address of each listener, with ports that are free now."""
    return {f"GATEWAY__{name}__LISTEN": f"127.0.0.1:{free_port()}" for name in ("REST", "GRPC", "ADMIN")}


@contextmanager
def serving(
    *words: str, command: Sequence[str] = COMMAND, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Start a command that serves; yield it with the addresses of REST and admin once it is ready."""
    ports = free_ports()
    process = subprocess.Popen(
        [*command, *words],
        cwd=ROOT,
        env=process_environment(ports, environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_ready(f"http://{ports['GATEWAY__ADMIN__LISTEN']}/readyz", process)
        yield process, ports["GATEWAY__REST__LISTEN"], ports["GATEWAY__ADMIN__LISTEN"]
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(url: str, process: subprocess.Popen[str]) -> None:
    """Wait until a page is served, of a process that must not end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("not ready after 30 s")
