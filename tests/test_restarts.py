"""Restarts of a gateway under load: no call is lost."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc.aio

from gateway.emulator import Emulator
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT
from tests.processes import COMMAND, free_ports, process_environment, wait_until_ready
from tests.rounds import IS_LONG
from tests.waiting import GENEROUS_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.schema import Schema

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
RESTARTS = 20 if IS_LONG else 2
CLIENTS = 6
RETRIES = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.5s",
                    "maxBackoff": "5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


class _Load:
    """Clients that call a gateway without a pause."""

    def __init__(self, ports: dict[str, str], schema: Schema) -> None:
        self.results: Counter[str] = Counter()
        self._rest = ports["GATEWAY__REST__LISTEN"]
        self._grpc = ports["GATEWAY__GRPC__LISTEN"]
        self._request = schema.methods[CREATE].request
        self._is_over = False
        self._number = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.ensure_future(make(one % 2 == 0))
            for make in (self._call_by_rest, self._call_by_grpc)
            for one in range(CLIENTS)
        ]
        try:
            yield
        finally:
            self._is_over = True
            await asyncio.gather(*tasks)

    async def _call_by_rest(self, keeps_connection: bool) -> None:  # noqa: FBT001
        """Send requests. A refused connection is tried again; nothing else is."""
        connector = aiohttp.TCPConnector(limit=1, force_close=not keeps_connection)
        async with aiohttp.ClientSession(connector=connector) as session:
            while not self._is_over:
                body = GOOD_IMAGE | {"name": self._new_name()}
                try:
                    async with session.post(f"http://{self._rest}{IMAGES}", json=body) as response:
                        await response.read()
                        self.results[f"HTTP {response.status}"] += 1
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.02)
                except aiohttp.ClientError as error:
                    self.results[repr(error)] += 1

    async def _call_by_grpc(self, _: bool) -> None:  # noqa: FBT001
        options = [("grpc.service_config", RETRIES), ("grpc.max_reconnect_backoff_ms", 500)]
        fields = {name: value for name, value in GOOD_IMAGE.items() if name not in {"folderId", "name"}}
        async with grpc.aio.insecure_channel(self._grpc, options=options) as channel:
            create: Any = channel.unary_unary(f"/{CREATE}")
            while not self._is_over:
                request = self._request(folder_id="b1gexample", name=self._new_name(), **fields)
                try:
                    await create(request.SerializeToString(), timeout=GENEROUS_S, wait_for_ready=True)
                    self.results["gRPC OK"] += 1
                except grpc.aio.AioRpcError as error:
                    self.results[f"{error.code()} {error.details()}"] += 1

    def _new_name(self) -> str:
        self._number += 1
        return f"ubuntu-{self._number}"


async def test_restarts_under_load_lose_no_call(schema: Schema) -> None:
    async with Emulator() as emulator:
        upstream = f"{{address: '{emulator.address}', tls: false}}"
        ports = free_ports()
        environment = process_environment(
            ports,
            {
                "GATEWAY__POLICIES__PATH": "policies",
                "GATEWAY__DECISION_LOG__TYPE": "none",
                "GATEWAY__UPSTREAMS__BAREMETAL": upstream,
                "GATEWAY__UPSTREAMS__OPERATION": upstream,
            },
        )
        load = _Load(ports, schema)
        process = await _start(environment)
        try:
            async with load.running():
                for _ in range(RESTARTS):
                    await asyncio.sleep(0.5)
                    process.send_signal(signal.SIGTERM)
                    assert await asyncio.to_thread(process.wait, GENEROUS_S) == 0
                    process = await _start(environment)
                await asyncio.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    assert set(load.results) == {"HTTP 200", "gRPC OK"}, load.results
    assert len(emulator.images()) == load.results.total()


async def _start(environment: dict[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    page = f"http://{environment['GATEWAY__ADMIN__LISTEN']}/readyz"
    await asyncio.to_thread(wait_until_ready, page, process)
    return process
