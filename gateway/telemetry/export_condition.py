"""The condition that shows whether the collector receives traces and metrics."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Never

from gateway.telemetry.health import Status

if TYPE_CHECKING:
    from gateway.telemetry.export_results import ExportResults
    from gateway.telemetry.health import Health

CONDITION = "telemetry"
"""The name of the health condition."""
INTERVAL_S = 1.0
"""The time between two looks at the results of exports, in seconds."""

_log = logging.getLogger(__name__)


class ExportCondition:
    """Keeps the condition up to date. Exporters run in threads, but only the event loop sets conditions."""

    def __init__(self, results: ExportResults, health: Health, interval_s: float = INTERVAL_S) -> None:
        """Initialize the object, and set the condition.

        Args:
            results: the results of exports.
            health: the health of the gateway.
            interval_s: the time between two looks at the results, in seconds.
        """
        self._results = results
        self._health = health
        self._interval_s = interval_s
        self._failing: list[str] = []
        health.set(CONDITION, Status.OK)

    async def run(self) -> Never:
        """Look at the results until the coroutine is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self._interval_s)

    def look(self) -> None:
        """Set the condition, and log a change."""
        failing = self._results.failing
        if failing == self._failing:
            return
        self._failing = failing
        if failing:
            shown = " and ".join(failing)
            self._health.set(
                CONDITION, Status.DEGRADED, f"the collector does not accept {shown}; they are lost"
            )
            _log.warning("the collector does not accept telemetry", extra={"signals": failing})
        else:
            self._health.set(CONDITION, Status.OK)
            _log.warning("the collector accepts telemetry again")
