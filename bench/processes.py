"""Processes that are measured or stand beside: their start, CPU, memory and end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024
_POLL_S = 0.005
_START_S = 60.0
_STOP_S = 20.0
# Without bytecode, each start would compile the gateway. An installed package has its bytecode.
_OWN_VARIABLES = ("GATEWAY__", "OTEL_", "GRPC_", "PYTHONDONTWRITEBYTECODE")


def free_address() -> str:
    """Return an address of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return f"127.0.0.1:{one.getsockname()[1]}"


def cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU time that the trees of processes have used, in seconds."""
    return sum(sum(map(int, _stat(pid)[11:13])) for pid in _trees(pids)) / _TICKS_PER_S


def resident_mib(pids: Sequence[int]) -> float:
    """Return the resident memory of the trees of processes, in MiB."""
    kib = 0
    for pid in _trees(pids):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        kib += next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    return kib / _KIB_PER_MIB


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def _trees(pids: Sequence[int]) -> Iterator[int]:
    """Yield the processes and all below them."""
    for pid in pids:
        yield pid
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # a thread that has ended meanwhile
                children = (task / "children").read_text(encoding="ascii").split()
                yield from _trees([int(one) for one in children])


def clean_environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without what would configure a gateway or its start, and with what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES)}
    return kept | dict(further or {})


@dataclass(slots=True)
class Reader:
    """A process that reads a pipe and counts its lines."""

    process: subprocess.Popen[bytes]

    @property
    def input(self) -> IO[bytes]:
        """Return the end to write to."""
        assert self.process.stdin is not None
        return self.process.stdin

    def count(self) -> int:
        """Return the lines, once every writer has ended."""
        output, _ = self.process.communicate(timeout=_STOP_S)
        return int(output)


def start_reader() -> Reader:
    """Start a reader."""
    return Reader(subprocess.Popen(["wc", "-l"], stdin=subprocess.PIPE, stdout=subprocess.PIPE))  # noqa: S607 - wc is found by PATH


@dataclass(slots=True)
class Group:
    """Processes that are started and stopped together.

    Attributes:
        processes: in the order of their start.
        readers: of their output, by its name.
    """

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)

    @property
    def pids(self) -> list[int]:
        """Return the identifiers of the processes."""
        return [one.pid for one in self.processes]

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stdout: str = "",
        stderr: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start a process of the group.

        Args:
            command: with its arguments.
            environment: further variables.
            stdout: name of the reader of its standard output; without one that is dropped.
            stderr: the same for standard error.
        """
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environment(environment),
            stdout=self._output(stdout),
            stderr=self._output(stderr),
        )
        self.processes.append(process)
        return process

    def start_python(self, *arguments: str, stdout: str = "", stderr: str = "") -> subprocess.Popen[bytes]:
        """Start a module of the benchmarks."""
        return self.start([sys.executable, "-m", *arguments], stdout=stdout, stderr=stderr)

    def _output(self, name: str) -> IO[bytes] | int:
        if not name:
            return subprocess.DEVNULL
        if name not in self.readers:
            self.readers[name] = start_reader()
        return self.readers[name].input

    def stop(self) -> dict[str, int]:
        """Stop the processes, and return the lines that each reader has counted."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return {name: reader.count() for name, reader in self.readers.items()}


def wait_until_served(address: str, request: bytes) -> None:
    """Wait until an HTTP request has a response with status 200.

    Raises:
        TimeoutError: nobody serves.
    """
    host, port = address.split(":")
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port)), timeout=_START_S) as connection:
                connection.sendall(request)
                if connection.recv(4096)[9:12] == b"200":
                    return
        except OSError:
            pass
        time.sleep(_POLL_S)
    raise TimeoutError(f"nobody serves at {address}")


def wait_until_listening(address: str) -> None:
    """Wait until a connection is accepted.

    Raises:
        TimeoutError: nobody listens.
    """
    host, port = address.split(":")
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=_START_S).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    raise TimeoutError(f"nobody listens at {address}")
