"""A writer of the ledger with a store whose commits a test holds."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from opentelemetry.sdk.resources import Resource

from gateway.errors import Code, GatewayError
from gateway.ledger.batch import Entry
from gateway.ledger.writer import LedgerWriter
from gateway.telemetry import Health, Metrics, Status
from tests.ledger.making import later
from tests.ledger.stores import HeldStore
from tests.waiting import GENEROUS_S, wait_for


class Writing:
    """A writer with its store, and what it reported."""

    def __init__(self, store: HeldStore, **options: Any) -> None:
        self.store = store
        self.health = Health()
        self.metrics = Metrics(Resource.create())
        self.refused: list[tuple[str, bool]] = []
        given: dict[str, Any] = {"capacity": 4, "when_full": "drop"} | options
        self.writer = LedgerWriter(store, self.metrics, self.health, **given)
        self.writer.on_refused = lambda entry, uncertain: self.refused.append((entry.event.call, uncertain))

    async def write(self, entry: Entry, seconds: float = GENEROUS_S) -> bool:
        return await self.writer.write(entry, asyncio.get_running_loop().time() + seconds)

    def condition(self) -> tuple[Status, str]:
        (condition,) = self.health.conditions
        assert condition.name == "ledger"
        return condition.status, condition.reason

    def lost(self) -> float:
        for line in self.metrics.expose().decode().splitlines():
            if line.startswith("gateway_ledger_lost_total"):
                return float(line.rpartition(" ")[2])
        return 0.0


async def begin(stack: AsyncExitStack, store: HeldStore | None = None, **options: Any) -> Writing:
    writing = Writing(store or HeldStore(), **options)
    await writing.writer.start()

    async def end() -> None:
        writing.store.free.set()
        await writing.writer.close()

    stack.push_async_callback(end)
    return writing


def is_unavailable(error: BaseException | None) -> bool:
    return isinstance(error, GatewayError) and (error.code, error.reason) == (
        Code.UNAVAILABLE,
        "LEDGER_UNAVAILABLE",
    )


async def hold(writing: Writing) -> None:
    """Let the writer wait in a commit."""
    writing.store.free.clear()
    writing.writer.add(later("held"))
    await wait_for(lambda: writing.store.waiting)
