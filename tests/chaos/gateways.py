"""Gateway processes that are killed and started again."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp

from tests.conftest import ROOT
from tests.processes import free_ports

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

READY_S = 30.0
"""The time in which a gateway must become ready, in seconds."""


class GatewayProcess:
    """One replica, which keeps its addresses when it is started again."""

    def __init__(
        self, folder: Path, ledger: str, upstream: str, further: dict[str, str] | None = None
    ) -> None:
        self._ports = free_ports()
        self._log = folder / f"gateway-{self._ports['GATEWAY__REST__LISTEN'].rpartition(':')[2]}.log"
        self._environment = {
            name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"
        } | {
            **self._ports,
            "GATEWAY__LEDGER__ENABLED": "true",
            "GATEWAY__LEDGER__URL": ledger,
            "GATEWAY__LEDGER__LEASE_S": "3",
            "GATEWAY__LEDGER__CHECKPOINT_INTERVAL": "1s",
            "GATEWAY__POLICIES__PATH": str(ROOT / "policies"),
            "GATEWAY__POLICIES__RELOAD": "false",
            "GATEWAY__LIMITS__DEADLINE_S": "10",
            **(further or {}),
        }
        for name in ("BAREMETAL", "OPERATION"):
            self._environment[f"GATEWAY__UPSTREAMS__{name}__ADDRESS"] = upstream
            self._environment[f"GATEWAY__UPSTREAMS__{name}__TLS"] = "false"
        self._process: Process | None = None

    @property
    def rest(self) -> str:
        """The URL of the REST listener."""
        return f"http://{self._ports['GATEWAY__REST__LISTEN']}"

    @property
    def log(self) -> str:
        """What the processes have logged."""
        return self._log.read_text(errors="replace")

    async def start(self) -> None:
        """Start a process. It is not ready yet."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway",
                "serve",
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    async def wait_until_ready(self) -> None:
        url = f"http://{self._ports['GATEWAY__ADMIN__LISTEN']}/readyz"
        deadline = time.monotonic() + READY_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline:
                if self._process is not None and self._process.returncode is not None:
                    raise AssertionError(f"the gateway has ended: {self.log[-2000:]}")
                with suppress(aiohttp.ClientError, OSError):
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError(f"the gateway is not ready: {self.log[-2000:]}")

    async def kill(self) -> None:
        """End the process with SIGKILL."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def terminate(self) -> None:
        """Ask the process to stop."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def stop(self) -> None:
        """Stop the process in order, and wait for its end."""
        self.terminate()
        if self._process is not None:
            await self._process.wait()
