"""Puts changed policies and descriptors in force while the gateway serves.

The new surface is made aside and swapped in whole. One with faults changes
nothing: the last good one stays, and the log, a metric and /readyz say so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.faults import FaultsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.listeners import Health
    from gateway.surface import Serving, Surface
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0

T = TypeVar("T")


class Reloader(Generic[T]):
    """Watches what a surface is made of."""

    def __init__(
        self,
        serving: Serving,
        seen: T,
        read: Callable[[], T],
        build: Callable[[T], Surface],
        health: Health,
        metrics: Metrics,
    ) -> None:
        """Prepare.

        Args:
            serving: holds the surface in force.
            seen: the files that it was made of.
            read: reads all files; runs in a thread.
            build: makes a surface of them; runs in a thread.
            health: that is told of what is in force.
            metrics: that reloads are counted in.
        """
        self._serving = serving
        self._read = read
        self._build = build
        self._health = health
        self._metrics = metrics
        self._seen: T | None = seen
        self._note()

    async def watch(self, interval_s: float = INTERVAL_S) -> None:
        """Reload whenever a file has changed, until cancelled.

        Contents are compared, not times: a bundle mounted from a ConfigMap changes by links.
        """
        while True:
            await self.reload()
            await asyncio.sleep(interval_s)

    async def reload(self) -> None:
        """Put a new surface in force if its files are others than at the last look."""
        try:
            sources = await self._read_changed()
            if sources is None:
                return
            surface = await asyncio.to_thread(self._build, sources)
        except FaultsError as error:
            self._refuse(error)
            return
        self._serving.surface = surface
        self._metrics.record_reload(is_good=True)
        self._note()
        _log.info("reloaded", extra={"bundle": surface.bundle_hash})

    async def _read_changed(self) -> T | None:
        """Return the files when they are others than those looked at last."""
        seen, self._seen = self._seen, None  # what cannot be read is read again
        self._seen = await asyncio.to_thread(self._read)
        return None if self._seen == seen else self._seen

    def _refuse(self, error: FaultsError) -> None:
        faults = [str(fault) for fault in error.faults]
        if self._health.facts.get("reload_faults") == faults:
            return
        self._health.facts["reload_faults"] = faults
        self._metrics.record_reload(is_good=False)
        _log.error(
            "reload refused, the last good state stays in force",
            extra={"faults": faults, "bundle": self._serving.surface.bundle_hash},
        )

    def _note(self) -> None:
        self._health.facts["bundle"] = self._serving.surface.bundle_hash
        self._health.facts.pop("reload_faults", None)
