"""A Redis server that a test starts, stops and pauses."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.waiting import GENEROUS_S

PASSWORD = "canary-of-the-store"


class RedisServer:
    """A server on 127.0.0.1 with a password. It keeps nothing on disk."""

    def __init__(self) -> None:
        """Start the server."""
        program = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            pytest.skip("redis-server is not installed")
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-redis-"))
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, without any data, and wait until it accepts connections."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "requirepass": PASSWORD,
            "save": "",
            "dir": str(self._folder),
            "logfile": str(self._folder / "log"),
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        self._process = subprocess.Popen([self._program, *arguments])
        deadline = time.monotonic() + GENEROUS_S
        while not self._is_ready():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        """End the server, so that connections are refused."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop the server, so that connections are accepted and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
