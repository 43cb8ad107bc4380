"""PgBouncer in transaction mode, in front of a PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port
from tests.waiting import GENEROUS_S

_NOBODY = 65534
_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
unix_socket_dir =
"""


class PgBouncer:
    """A pooler that gives each transaction any of its connections."""

    def __init__(self, server_port: int) -> None:
        """Start the pooler in front of a server on 127.0.0.1."""
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            pytest.skip("pgbouncer is not installed")
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-pgbouncer-"))
        self.port = free_port()
        text = _CONFIGURATION.format(port=server_port, own=self.port, folder=self._folder)
        (self._folder / "pgbouncer.ini").write_text(text)
        (self._folder / "users").write_text('"postgres" "unused"\n')
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._folder.chmod(0o755)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, str(self._folder / "pgbouncer.ini")],
                stdout=log,
                stderr=log,
                **as_user,
            )
        deadline = time.monotonic() + GENEROUS_S
        while not self._is_ready():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def url(self, url: str) -> str:
        """Return the URL of a database through the pooler."""
        return f"postgresql://postgres:unused@127.0.0.1:{self.port}{urlsplit(url).path}"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
