"""A limit on concurrent calls with its metrics, and calls that take its slots."""

from __future__ import annotations

import asyncio

from opentelemetry.sdk.resources import Resource

from gateway.errors import GatewayError
from gateway.limits import ConcurrencyLimit
from gateway.telemetry import Metrics

LONG_S = 1000.0


def make(limit: int, *, queue: int = 0, queue_s: float = 1.0, grace_s: float = 0.1) -> Limited:
    return Limited(limit, queue, queue_s, grace_s)


class Limited:
    """A limit and its metrics."""

    def __init__(self, limit: int, queue: int, queue_s: float, grace_s: float) -> None:
        self.metrics = Metrics(Resource.create())
        self.limit = ConcurrencyLimit(limit, self.metrics, queue=queue, queue_s=queue_s, grace_s=grace_s)

    def value(self, start: str) -> float:
        lines = self.metrics.expose().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    @property
    def active(self) -> float:
        return self.value("gateway_calls_active")

    @property
    def queued(self) -> float:
        return self.value("gateway_queue_calls")

    def refused(self, limit: str) -> float:
        return self.value(f'gateway_limits_refused_total{{limit="{limit}"}}')

    async def receive(self) -> str:
        """Wait for a message that does not arrive. Return how the call ended."""
        try:
            with await self.limit.acquire() as slot:
                async with slot.receiving(deadline()):
                    await asyncio.sleep(LONG_S)
        except GatewayError as error:
            return error.message
        return "served"

    async def call(self, caller: str = "", served_s: float = 0.0, ended: list[str] | None = None) -> str:
        """Make a call whose message is there. Return how it ended; with `ended`, add its caller in order."""
        try:
            with await self.limit.acquire(caller):
                if ended is not None:
                    ended.append(caller)
                await asyncio.sleep(served_s)
        except GatewayError as error:
            return error.message
        return "served"


def deadline(seconds: float = LONG_S) -> float:
    return asyncio.get_running_loop().time() + seconds
