"""Whether a gateway keeps its memory under mixed calls: a process of its own, with its memory over time.

Allowed and denied creates, malformed and invalid ones, reads, over REST and gRPC. The exit code is 1 when the
memory at the end is more than 5 % over that after a tenth of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc.aio

from bench.processes import Group, free_address, resident_mib, wait_until_served
from bench.subjects import gateway_environment
from bench.workloads import CREATE, IMAGE, IMAGES, http_request
from gateway.config import Config
from gateway.emulator import Emulator
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

CONCURRENCY = 16
LOOKS = 20
MOST_GROWTH = 1.05
REFUSED = {"uri": "https://example.com/a.img?X-Amz-Signature=0a", "labels": {"env": "nowhere", "x": "y"}}
SIGNED = IMAGE | {"uri": f"{IMAGE['uri']}?versionId=1", "description": "d" * 1000}


def rest_calls(client: aiohttp.ClientSession, rest: str) -> Iterator[Callable[[], Awaitable[None]]]:
    """Yield calls over REST."""
    url = f"http://{rest}{IMAGES}"
    bodies = [json.dumps(one).encode() for one in (IMAGE, REFUSED, IMAGE, SIGNED, {"uri": 1, "no": "field"})]

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
    """Yield calls over gRPC."""
    method = load_schema(Config().services).methods[CREATE]
    callable_: Any = channel.unary_unary(method.path, request_serializer=method.request.SerializeToString)

    async def create(fields: dict[str, Any]) -> None:
        try:
            await callable_(method.request(**fields))
        except grpc.aio.AioRpcError:
            return

    yield from [lambda fields=fields: create(fields) for fields in (IMAGE, REFUSED)]


async def soak(calls: int, ledger: Path) -> list[float]:
    """Make the calls, print the memory over time, and return it."""
    rest, rpc = free_address(), free_address()
    seen: list[float] = []
    async with (
        Emulator() as emulator,
        aiohttp.ClientSession() as client,
        grpc.aio.insecure_channel(rpc) as channel,
    ):
        gateway = Group()
        try:
            variables = gateway_environment(emulator.address, rest, rpc)
            variables |= {
                "GATEWAY__LEDGER__ENABLED": "true",
                "GATEWAY__LEDGER__URL": f"sqlite:///{ledger}",
            }
            gateway.start([sys.executable, "-m", "gateway", "serve"], variables)
            await asyncio.to_thread(wait_until_served, rest, http_request("GET", IMAGES))
            turns = cycle([*rest_calls(client, rest), *grpc_calls(channel)])
            started = time.monotonic()
            for look in range(1, LOOKS + 1):

                async def caller() -> None:
                    for _ in range(calls // LOOKS // CONCURRENCY):
                        await next(turns)()

                await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
                seen.append(resident_mib(gateway.pids))
                made = look * (calls // LOOKS // CONCURRENCY) * CONCURRENCY
                print(
                    f"{made:>9,} calls {time.monotonic() - started:>7.0f} s {seen[-1]:>7.1f} MiB", flush=True
                )
        finally:
            gateway.stop()
    return seen


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--calls", type=int, default=500_000)
    calls = parser.parse_args().calls
    with TemporaryDirectory() as folder:
        seen = asyncio.run(soak(calls, Path(folder) / "ledger.db"))
    after_a_tenth, at_the_end = seen[LOOKS // 10 - 1], seen[-1]
    print(f"{at_the_end / after_a_tenth - 1:+.1%} since a tenth of the calls")
    return 1 if at_the_end > after_a_tenth * MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
