"""Puts changed policies and descriptors in force while the gateway serves.

The new surface is made aside and swapped in whole. One with faults changes
nothing: the last good one stays, and the log, metrics and /readyz say so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.listeners import Health
    from gateway.surface import Serving, Surface
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0
SETTLE_S = 0.25
"""Files that change are looked at again after so long: an editor may be half way through."""

T = TypeVar("T")


class Reloader(Generic[T]):
    """Watches what a surface is made of."""

    def __init__(
        self,
        serving: Serving,
        seen: T | None,
        read: Callable[[], T],
        build: Callable[[T], Surface],
        keep: Callable[[T], None],
        health: Health,
        metrics: Metrics,
    ) -> None:
        """Prepare.

        Args:
            serving: holds the surface in force.
            seen: the files that were looked at last; None when they are to be looked at again.
            read: reads all files; runs in a thread.
            build: makes a surface of them; runs in a thread.
            keep: keeps them for the next start; runs in a thread.
            health: that is told of what is in force.
            metrics: that reloads are counted in.
        """
        self._serving = serving
        self._read = read
        self._build = build
        self._keep = keep
        self._health = health
        self._metrics = metrics
        self._seen = seen
        self._turn = asyncio.Lock()

    async def watch(self, interval_s: float = INTERVAL_S, settle_s: float = SETTLE_S) -> None:
        """Reload whenever a file has changed, until cancelled.

        Contents are compared, not times: a bundle mounted from a ConfigMap changes by links.
        """
        while True:
            await self.reload(settle_s)
            await asyncio.sleep(interval_s)

    async def reload(self, settle_s: float = 0.0) -> None:
        """Put a new surface in force if its files are others than at the last look.

        Args:
            settle_s: the files have to stay as they are for so long, or they wait for the next time.
        """
        async with self._turn:  # a signal may come while a reload is under way
            try:
                sources = await self._read_changed(settle_s)
                if sources is None:
                    return
                surface = await asyncio.to_thread(self._build, sources)
            except FaultsError as error:
                self.refuse(error.faults)
                return
            except Exception:  # noqa: BLE001 - whatever it is, the watch goes on, and people are told
                _log.exception("reload failed")
                self.refuse(
                    [Fault(Position("bundle"), "", "the gateway failed to load it; its log tells why")]
                )
                return
            self._serving.surface = surface
            self._metrics.record_reload(is_good=True)
            self.note()
            _log.info("reloaded", extra={"bundle": surface.bundle_hash})
            await self.keep(sources)

    async def keep(self, sources: T) -> None:
        """Keep what is in force for the next start. That it cannot be kept stops nothing."""
        try:
            await asyncio.to_thread(self._keep, sources)
        except OSError as error:
            _log.warning("last good bundle not kept", extra={"reason": error.strerror})
            self._health.facts["last_good_fault"] = error.strerror
        else:
            self._health.facts.pop("last_good_fault", None)

    async def _read_changed(self, settle_s: float) -> T | None:
        """Return the files when they are others than those looked at last, and at rest."""
        seen, self._seen = self._seen, None  # what cannot be read is read again
        found = await asyncio.to_thread(self._read)
        if found == seen:
            self._seen = found
            return None
        if settle_s:
            await asyncio.sleep(settle_s)
            if await asyncio.to_thread(self._read) != found:
                self._seen = seen
                return None
        self._seen = found
        return found

    def refuse(self, found: Iterable[Fault]) -> None:
        """Tell that the files are not put in force."""
        faults = [str(fault) for fault in found]
        if self._health.facts.get("reload_faults") == faults:
            return
        self._health.facts["reload_faults"] = faults
        self._metrics.record_reload(is_good=False)
        self._metrics.show_stale(is_stale=True)
        _log.error(
            "reload refused, the last good state stays in force",
            extra={"faults": faults, "bundle": self._serving.surface.bundle_hash},
        )

    def note(self) -> None:
        """Tell what is in force."""
        surface, facts = self._serving.surface, self._health.facts
        facts["bundle"] = surface.bundle_hash
        told = {"shadow": surface.shadow_hash, "shadow_faults": list(surface.shadow_faults)}
        for name, value in told.items():
            facts.pop(name, None)
            if value:
                facts[name] = value
        facts.pop("reload_faults", None)
        self._metrics.show_stale(is_stale=False)
        if surface.shadow_faults:
            _log.error("shadow bundle refused", extra={"faults": surface.shadow_faults})
