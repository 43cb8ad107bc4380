"""The cloud's own client library as a process: Yandex's compiled stubs need another protobuf than ours."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "peer"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A script of the peer that reads and writes lines of JSON."""

    process: Process
    limit_s: float

    async def send(self, value: Any) -> None:
        """Write a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        async with asyncio.timeout(self.limit_s):
            await self.process.stdin.drain()

    async def receive(self) -> Any:
        """Read the next line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(self.limit_s):
            line = await self.process.stdout.readline()
        assert line, f"the peer ended with {self.process.returncode}; what it wrote to stderr says why"
        return json.loads(line)


@dataclass(frozen=True, slots=True)
class Peer:
    """Starts scripts of tests/peer in the peer's own environment.

    Attributes:
        limit_s: longest wait for anything that a script does.
    """

    python: Path
    limit_s: float = 30

    async def run(self, script: str, *arguments: str) -> bytes:
        """Run a script to its end and return what it printed."""
        process = await self._start(script, arguments)
        printed = await self._end(process)
        assert process.returncode == 0
        return printed

    @asynccontextmanager
    async def talk(self, script: str, *arguments: str) -> AsyncIterator[Conversation]:
        """Run a script that ends when its standard input does."""
        process = await self._start(script, arguments)
        try:
            yield Conversation(process, self.limit_s)
        finally:
            left = await self._end(process)
        assert (process.returncode, left) == (0, b"")

    async def _start(self, script: str, arguments: tuple[str, ...]) -> Process:
        command = (str(self.python), "-I", str(SCRIPTS / script), *arguments)
        return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)

    async def _end(self, process: Process) -> bytes:
        """Close the script's standard input and return what it printed since; kill it if it does not end."""
        try:
            async with asyncio.timeout(self.limit_s):
                printed, _ = await process.communicate(b"")
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return printed


@pytest.fixture(scope="session")
def peer() -> Peer:
    given = os.environ.get("GATEWAY_TEST_PEER")
    python = Path(given) if given else ROOT / ".venv-peer" / "bin" / "python"
    if not python.is_file():
        pytest.fail(f"{python} is missing, which has the cloud's own client library; `make test` makes it")
    return Peer(python)
