"""The cost of a Create call through the gateway, compared with a minimal proxy.

The gateway and the minimal proxy (proxy.py) are separate processes. The client
and the upstream run in this process. The same calls go through each of them in
turns. The CPU time is that of the gateway or the proxy for one call. Compare the
ratio of the two: the absolute times depend on the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import grpc.aio

from gateway.config import Config
from gateway.emulator import Emulator
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Call: TypeAlias = "Callable[[], Awaitable[None]]"

ROUNDS = 10
CALLS = 200
CONCURRENCY = 16
IMAGE: dict[str, Any] = {
    "uri": "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso",
    "labels": {"env": "prod", "owner": "infra", "cost-center": "cc-42"},
}


def free_address() -> str:
    """Return a loopback address with a free port."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return f"127.0.0.1:{one.getsockname()[1]}"


def cpu_s(process: int) -> float:
    """Return the CPU time that a process has used, in seconds."""
    with open(f"/proc/{process}/stat", encoding="ascii") as file:  # noqa: PTH123 - a file of procfs
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_gateway(upstream: str, rest: str, rpc: str) -> subprocess.Popen[bytes]:
    """Start a gateway that forwards to the upstream."""
    environment = {
        "GATEWAY__REST__LISTEN": rest,
        "GATEWAY__GRPC__LISTEN": rpc,
        "GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
    }
    for name in ("BAREMETAL", "OPERATION"):
        environment[f"GATEWAY__UPSTREAMS__{name}__ADDRESS"] = upstream
        environment[f"GATEWAY__UPSTREAMS__{name}__TLS"] = "false"
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def start_proxy(upstream: str, rest: str) -> subprocess.Popen[bytes]:
    """Start the minimal proxy that forwards to the upstream."""
    return subprocess.Popen([sys.executable, "-m", "bench.proxy", rest, upstream], stderr=subprocess.DEVNULL)


async def until_ready(rest: str) -> None:
    """Wait until a server responds."""
    async with aiohttp.ClientSession() as client:
        while True:
            try:
                async with client.get(f"http://{rest}/"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)


async def measure(call: Call) -> list[float]:
    """Return the time of each of many concurrent calls, in milliseconds."""
    times: list[float] = []

    async def caller() -> None:
        for _ in range(CALLS // CONCURRENCY):
            started = time.perf_counter()
            await call()
            times.append((time.perf_counter() - started) * 1000)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return times


async def main() -> None:
    """Measure, and print the figures."""
    schema = load_schema(Config().services)
    method = schema.methods["yandex.cloud.baremetal.v1alpha.ImageService/Create"]
    rest, rpc, baseline = free_address(), free_address(), free_address()
    body = json.dumps(IMAGE).encode()
    headers = {"content-type": "application/json"}
    async with Emulator() as emulator, aiohttp.ClientSession() as client:
        gateway, proxy = start_gateway(emulator.address, rest, rpc), start_proxy(emulator.address, baseline)
        try:
            await until_ready(rest)
            await until_ready(baseline)

            def by_rest(address: str) -> Call:
                async def call() -> None:
                    url = f"http://{address}/baremetal/v1alpha/images"
                    async with client.post(url, data=body, headers=headers) as response:
                        assert response.status == 200, await response.text()  # noqa: PLR2004 - OK
                        await response.read()

                return call

            def by_grpc(address: str) -> Call:
                callable_: Any = grpc.aio.insecure_channel(address).unary_unary(
                    method.path, request_serializer=method.request.SerializeToString
                )

                async def call() -> None:
                    await callable_(method.request(**IMAGE))

                return call

            await report(
                {
                    "REST through the minimal proxy": (by_rest(baseline), proxy.pid),
                    "REST through the gateway": (by_rest(rest), gateway.pid),
                    "gRPC through the gateway": (by_grpc(rpc), gateway.pid),
                }
            )
        finally:
            for process in (gateway, proxy):
                process.terminate()
                process.wait()


async def report(targets: dict[str, tuple[Call, int]]) -> None:
    """Measure all targets in turns, and print the figures.

    Args:
        targets: name → a call of the target, and the process whose CPU time counts.
    """
    times: dict[str, list[float]] = {name: [] for name in targets}
    cpu: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, (call, process) in targets.items():
            before = cpu_s(process)
            taken = await measure(call)
            times[name] += taken
            cpu[name].append((cpu_s(process) - before) / len(taken) * 1e6)
    print(f"{CONCURRENCY} callers{'':<20}{'median ms':>12}{'p99 ms':>10}{'CPU µs/call':>14}")
    for name in targets:
        p99 = statistics.quantiles(times[name], n=100)[98]
        print(
            f"{name:<30}{statistics.median(times[name]):>12.2f}{p99:>10.2f}{statistics.median(cpu[name]):>14.0f}"
        )


if __name__ == "__main__":
    asyncio.run(main())
