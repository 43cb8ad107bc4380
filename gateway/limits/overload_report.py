"""Reports an overload: in the log and in a condition."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.telemetry import Status

if TYPE_CHECKING:
    from gateway.telemetry import Health

CONDITION = "load"
"""The name of the health condition that shows whether calls are refused because no slot is free."""
CALM_S = 10.0
"""The time without a refused call after which an overload has ended, in seconds."""

_log = logging.getLogger(__name__)


class OverloadReport:
    """Reports when an overload begins and when it has ended, and not each refused call."""

    def __init__(self, health: Health, calm_s: float = CALM_S) -> None:
        """Initialize the report, and set the condition.

        Args:
            health: the health of the gateway. It contains the condition `load`.
            calm_s: the time without a refused call after which an overload has ended, in seconds.
        """
        self._health = health
        self._calm_s = calm_s
        self._refused = 0
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None
        health.set(CONDITION, Status.OK)

    def note(self, cause: str) -> None:
        """Note that a call was refused.

        Args:
            cause: the text that describes the limit.
        """
        self._refused += 1
        if self._timer is None:
            self._health.set(CONDITION, Status.DEGRADED, f"calls are refused: {cause}")
            _log.warning("overload: calls are refused", extra={"reason": cause})
            self._plan()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        self._seen = self._refused
        self._timer = asyncio.get_running_loop().call_later(self._calm_s, self._look)

    def _look(self) -> None:
        if self._refused != self._seen:
            self._plan()
            return
        self._timer = None
        self._health.set(CONDITION, Status.OK)
        _log.warning("overload has ended", extra={"refused": self._refused})
        self._refused = 0
