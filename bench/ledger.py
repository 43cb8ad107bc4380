"""What the ledger adds to a create: `python -m bench.ledger`.

Each create commits an intent, waits for the commit, and adds its outcome. The CPU time is that of this
process with the thread of SQLite; a PostgreSQL server is another process. The latency is the time that a
create waits for its commit. Rounds of all cases take turns; a figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from opentelemetry.sdk.resources import Resource

from bench.stage_calls import StageCalls
from gateway.call import Reply
from gateway.config import load_config
from gateway.ledger import CallRecord
from gateway.ledger.intent import Intent
from gateway.ledger.service import LedgerService
from gateway.policy.decider import new_decision_id
from gateway.telemetry import Health, Metrics, Tracing
from tests.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Mapping

CONCURRENCIES = (1, 64)


class LedgerBench:
    """The creates of one ledger."""

    def __init__(self, parts: StageCalls, url: str, durability: str) -> None:
        environment = {"GATEWAY__LEDGER__URL": url, "GATEWAY__LEDGER__DURABILITY": durability}
        section = load_config(None, environment).ledger
        self._service = LedgerService(section, Metrics(Resource({})), Health(), Tracing())
        self._parts = parts

    async def start(self) -> None:
        """Open the ledger."""
        await self._service.start()

    async def stop(self) -> None:
        """Close the ledger."""
        await self._service.stop()

    async def run(self, concurrency: int, creates: int) -> tuple[float, float]:
        """Return the CPU time and the median latency of a create, in microseconds."""
        latencies: list[float] = []
        per_task = max(1, creates // concurrency)
        taken = []
        for make in (self._prepare, self._create):  # what both do is not a cost of the ledger
            started = time.process_time_ns()
            await asyncio.gather(*(make(per_task, latencies) for _ in range(concurrency)))
            taken.append(time.process_time_ns() - started)
        cpu_us = (taken[1] - taken[0]) / 1000 / (per_task * concurrency)
        return cpu_us, statistics.median(latencies) * 1e6

    async def _prepare(self, count: int, _latencies: list[float]) -> None:
        """Make the arguments of creates, and nothing else."""
        for _ in range(count):
            replace(self._parts.call, metadata={})
            CallRecord(facts={**self._parts.record, "id": new_decision_id()}, is_plain=True)
            time.perf_counter()

    async def _create(self, count: int, latencies: list[float]) -> None:
        call, record = self._parts.call, self._parts.record
        reply = Reply(message=self._parts.reply, metadata={})
        for _ in range(count):
            facts = {**record, "id": new_decision_id()}
            started = time.perf_counter()
            intent = await self._service.ledger.begin(
                replace(call, metadata={}), CallRecord(facts=facts, is_plain=True), call.request
            )
            latencies.append(time.perf_counter() - started)
            assert isinstance(intent, Intent)
            intent.end(reply, None)


async def measure(rounds: int, creates: int) -> Mapping[str, tuple[float, float]]:
    """Return the CPU time and the latency of each case, in microseconds."""
    parts, server = StageCalls(), PostgresServer()
    try:
        server.start(fsync="on", synchronous_commit="on")
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            ledgers = {
                "SQLite, durability power": LedgerBench(parts, f"sqlite:///{folder}/power.db", "power"),
                "SQLite, durability process": LedgerBench(parts, f"sqlite:///{folder}/process.db", "process"),
                "PostgreSQL, durability power": LedgerBench(parts, await server.create_database(), "power"),
            }
            return await _measure(ledgers, rounds, creates)
    finally:
        server.remove()
        await parts.close()


async def _measure(
    ledgers: Mapping[str, LedgerBench], rounds: int, creates: int
) -> Mapping[str, tuple[float, float]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for ledger in ledgers.values():
        await ledger.start()
    gc.collect()
    gc.freeze()
    try:
        for _ in range(rounds):
            for name, ledger in ledgers.items():
                for concurrency in CONCURRENCIES:
                    figures = await ledger.run(concurrency, creates)
                    found.setdefault(f"{name}, {concurrency} at a time", []).append(figures)
                    await asyncio.sleep(0.1)
    finally:
        gc.unfreeze()
        for ledger in ledgers.values():
            await ledger.stop()
    return {
        name: (statistics.median(cpu for cpu, _ in values), statistics.median(wait for _, wait in values))
        for name, values in found.items()
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--creates", type=int, default=640)
    arguments = parser.parse_args()
    figures = uvloop.run(measure(arguments.rounds, arguments.creates))
    print(f"{'':<46}{'CPU µs':>10}{'wait µs':>10}")
    for name, (cpu, wait) in figures.items():
        print(f"{name:<46}{cpu:>10.0f}{wait:>10.0f}")


if __name__ == "__main__":
    main()
