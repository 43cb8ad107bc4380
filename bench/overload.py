"""What callers see when ten times as many calls arrive as a gateway can forward.

The upstream needs 50 ms for a call, and 8 calls may be active, so 160 calls a second can be forwarded. First,
one caller makes one call after another. Then 1,600 calls a second arrive, whether or not earlier calls have
ended. Then one caller makes one call after another again.

The exit code is 1 if one of these does not hold:

- the 99th percentile of the admitted calls is within three times that of the calls without load;
- all other calls are refused with 429, with a median below 20 ms;
- the memory at the end is less than 10 MiB above that after a third of the time;
- immediately after the overload, calls are as fast as before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING

import aiohttp

from bench.processes import Group, free_address, resident_mib, wait_until_served
from bench.subjects import gateway_environment
from bench.workloads import CREATE, IMAGE, IMAGES, http_request
from gateway.emulator import Emulator, InjectedFault

if TYPE_CHECKING:
    from collections.abc import Sequence

CONCURRENCY = 8
UPSTREAM_S = 0.05
RATE = 10 * CONCURRENCY / UPSTREAM_S
UNLOADED_CALLS = 100
MOST_P99 = 3.0
MOST_REFUSAL_MS = 20.0
MOST_GROWTH_MIB = 10.0
_BODY = json.dumps(IMAGE).encode()


@dataclass(slots=True)
class Seen:
    """What callers saw: the durations in milliseconds by HTTP status."""

    durations: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def p99(self, status: int) -> float:
        """Return the 99th percentile of the durations with a status, in milliseconds."""
        return quantiles(self.durations[status], n=100)[98]


class Caller:
    """Calls the gateway over REST."""

    def __init__(self, client: aiohttp.ClientSession, rest: str) -> None:
        self._client = client
        self._url = f"http://{rest}{IMAGES}"

    async def call(self, seen: Seen) -> None:
        """Make one call."""
        started = time.perf_counter()
        headers = {"content-type": "application/json"}
        async with self._client.post(self._url, data=_BODY, headers=headers) as response:
            await response.read()
        seen.durations[response.status].append((time.perf_counter() - started) * 1e3)

    async def call_alone(self) -> Seen:
        """Make calls one after another."""
        seen = Seen()
        for _ in range(UNLOADED_CALLS):
            await self.call(seen)
        return seen

    async def call_at_a_rate(self, seen: Seen, seconds: float) -> None:
        """Make calls that arrive at a constant rate."""
        started, tasks = time.monotonic(), set[asyncio.Task[None]]()
        for number in range(int(RATE * seconds)):
            ahead_s = started + number / RATE - time.monotonic()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            task = asyncio.create_task(self.call(seen))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)


async def run(seconds: float) -> int:
    """Run the phases, print what was seen, and return the exit code."""
    rest, rpc = free_address(), free_address()
    async with Emulator() as emulator:
        emulator.inject(InjectedFault(method=CREATE, delay_s=UPSTREAM_S, times=None))
        gateway = Group()
        try:
            variables = gateway_environment(emulator.address, rest, rpc)
            variables["GATEWAY__LIMITS__CONCURRENCY"] = str(CONCURRENCY)
            variables["GATEWAY__REST__MAX_CONNECTIONS_PER_ADDRESS"] = "1000"
            gateway.start([sys.executable, "-m", "gateway", "serve"], variables)
            await asyncio.to_thread(wait_until_served, rest, http_request("GET", IMAGES))
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as client:
                caller = Caller(client, rest)
                before = await caller.call_alone()
                overload = Seen()
                await caller.call_at_a_rate(overload, seconds / 3)
                early_mib = resident_mib(gateway.pids)
                await caller.call_at_a_rate(overload, 2 * seconds / 3)
                late_mib = resident_mib(gateway.pids)
                after = await caller.call_alone()
        finally:
            gateway.stop()
    return report(before, overload, after, (early_mib, late_mib))


def report(before: Seen, overload: Seen, after: Seen, memory_mib: Sequence[float]) -> int:
    """Print what was seen, and return the exit code."""
    rows = [("before", before), ("overload", overload), ("after", after)]
    for name, seen in rows:
        for status, durations in sorted(seen.durations.items()):
            print(
                f"{name:>9} {status} {len(durations):>7,} calls, "
                f"p50 {median(durations):>7.1f} ms, p99 {seen.p99(status):>7.1f} ms"
            )
    print(f"memory {memory_mib[0]:.1f} -> {memory_mib[1]:.1f} MiB")
    checks = {
        "admitted calls are within three times": overload.p99(200) <= MOST_P99 * before.p99(200),
        "all others are refused with 429": set(overload.durations) == {200, 429},
        "refusals are fast": median(overload.durations[429]) <= MOST_REFUSAL_MS,
        "memory is bounded": memory_mib[1] - memory_mib[0] < MOST_GROWTH_MIB,
        "recovery is immediate": set(after.durations) == {200} and after.p99(200) <= 2 * before.p99(200),
    }
    for name, holds in checks.items():
        print(f"{'ok' if holds else 'NO':>4} {name}")
    return 0 if all(checks.values()) else 1


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of the overload")
    return asyncio.run(run(parser.parse_args().seconds))


if __name__ == "__main__":
    sys.exit(main())
