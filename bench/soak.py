"""Memory of a gateway under a long series of mixed calls.

The calls are allowed, denied, malformed and invalid Create calls, and reads, over REST and gRPC. The gateway
is a separate process. The exit code is 1 when its memory at the end is more than 5 % larger than after a
tenth of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc.aio

from bench.create import IMAGE, free_address, start_gateway, until_ready
from gateway.config import Config
from gateway.emulator import Emulator
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

CONCURRENCY = 16
SAMPLES = 20
MAX_GROWTH = 1.05
IMAGES = "/baremetal/v1alpha/images"
DENIED = {"uri": "https://example.com/a.img?X-Amz-Signature=0a", "labels": {"env": "nowhere", "x": "y"}}
SIGNED = IMAGE | {"uri": f"{IMAGE['uri']}?versionId=1", "description": "d" * 1000}


def resident_mib(process: int) -> float:
    """Return the resident memory of a process, in MiB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def rest_calls(client: aiohttp.ClientSession, rest: str) -> Iterator[Callable[[], Awaitable[None]]]:
    """Yield functions that send a call over REST."""
    url = f"http://{rest}{IMAGES}"
    bodies = [json.dumps(one).encode() for one in (IMAGE, DENIED, IMAGE, SIGNED, {"uri": 1, "no": "field"})]

    async def create(body: bytes) -> None:
        async with client.post(url, data=body, headers={"content-type": "application/json"}) as response:
            await response.read()

    async def get() -> None:
        async with client.get(f"{url}/{'a' * 20}") as response:
            await response.read()

    yield from [
        lambda body=body: create(body) for body in [*bodies, b"{", b'{"uri": "' + b"x" * 2000 + b'"}']
    ]
    yield get


def grpc_calls(channel: grpc.aio.Channel) -> Iterator[Callable[[], Awaitable[None]]]:
    """Yield functions that send a call over gRPC."""
    method = load_schema(Config().services).methods["yandex.cloud.baremetal.v1alpha.ImageService/Create"]
    callable_: Any = channel.unary_unary(method.path, request_serializer=method.request.SerializeToString)

    async def create(fields: dict[str, Any]) -> None:
        try:
            await callable_(method.request(**fields))
        except grpc.aio.AioRpcError:
            return

    yield from [lambda fields=fields: create(fields) for fields in (IMAGE, DENIED)]


async def soak(calls: int) -> list[float]:
    """Send the calls, print the memory over time, and return it, in MiB."""
    rest, rpc = free_address(), free_address()
    memory_mib: list[float] = []
    async with (
        Emulator() as emulator,
        aiohttp.ClientSession() as client,
        grpc.aio.insecure_channel(rpc) as channel,
    ):
        gateway = start_gateway(emulator.address, rest, rpc)
        try:
            await until_ready(rest)
            turns = cycle([*rest_calls(client, rest), *grpc_calls(channel)])
            started = time.monotonic()
            for sample in range(1, SAMPLES + 1):

                async def caller() -> None:
                    for _ in range(calls // SAMPLES // CONCURRENCY):
                        await next(turns)()

                await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
                memory_mib.append(resident_mib(gateway.pid))
                made = sample * (calls // SAMPLES // CONCURRENCY) * CONCURRENCY
                print(
                    f"{made:>9,} calls {time.monotonic() - started:>7.0f} s {memory_mib[-1]:>7.1f} MiB",
                    flush=True,
                )
        finally:
            gateway.terminate()
            gateway.wait()
    return memory_mib


def main() -> int:
    """Run the calls, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--calls", type=int, default=500_000)
    memory_mib = asyncio.run(soak(parser.parse_args().calls))
    after_a_tenth, at_the_end = memory_mib[SAMPLES // 10 - 1], memory_mib[-1]
    print(f"{at_the_end / after_a_tenth - 1:+.1%} growth since a tenth of the calls")
    return 1 if at_the_end > after_a_tenth * MAX_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
