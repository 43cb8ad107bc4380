"""Puts changed policies and descriptors in force while the gateway serves.

Files are taken once they have settled, whether they are watched or a signal asks.
The new snapshot is made aside and swapped in whole. One with faults changes
nothing: the last good one stays, and the log, metrics and /readyz say so. What a
new one no longer enforces is reported, or refused.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.faults import Fault, FaultsError, Position
from gateway.policy import find_removals
from gateway.serving.settling import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.policy import Removal
    from gateway.serving.settling import Settling
    from gateway.serving.snapshot import ActiveSnapshot, Snapshot
    from gateway.telemetry import Health, Metrics

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0

T = TypeVar("T")


class Reloader(Generic[T]):
    """Watches what a snapshot is made of."""

    def __init__(
        self,
        active: ActiveSnapshot,
        seen: T | None,
        settling: Settling[T],
        build: Callable[[T], Snapshot],
        keep: Callable[[T], None],
        health: Health,
        metrics: Metrics,
        *,
        allows_removal: bool,
    ) -> None:
        """Prepare.

        Args:
            active: holds the snapshot in force.
            seen: the files that were looked at last; None when they are to be looked at again.
            settling: reads the files.
            build: makes a snapshot of them; runs in a thread.
            keep: keeps them for the next start; runs in a thread.
            health: that is told of what is in force.
            metrics: that reloads are counted in.
            allows_removal: whether a reload may enforce less than what is in force.
        """
        self._active = active
        self._settling = settling
        self._build = build
        self._keep = keep
        self._health = health
        self._metrics = metrics
        self._allows_removal = allows_removal
        self._seen: Look[T] | None = None if seen is None else Look(seen)
        self._turn = asyncio.Lock()

    async def watch(self, interval_s: float = INTERVAL_S) -> None:
        """Reload whenever a file has changed, until cancelled.

        Contents are compared, not times: a bundle mounted from a ConfigMap changes by links.
        """
        while True:
            await self.reload()
            await asyncio.sleep(interval_s)

    async def reload(self) -> None:
        """Put a new snapshot in force if its files have settled and are others than at the last look."""
        async with self._turn:  # a signal may come while a reload is under way
            try:
                sources = await self._read_changed()
                if sources is None:
                    return
                snapshot = await asyncio.to_thread(self._build, sources)
                removals = self._find_removals(snapshot)
            except FaultsError as error:
                self.refuse(error.faults)
                return
            except Exception:  # noqa: BLE001 - whatever it is, the watch goes on, and people are told
                _log.exception("reload failed")
                self.refuse(
                    [Fault(Position("bundle"), "", "the gateway failed to load it; its log tells why")]
                )
                return
            self._active.snapshot = snapshot
            self._metrics.record_reload(is_good=True)
            self.note(removals)
            _log.info("reloaded", extra={"bundle": snapshot.bundle_hash})
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

    async def _read_changed(self) -> T | None:
        """Return the files when they have settled and are others than those looked at last.

        Raises:
            FaultsError: they cannot be read, or do not settle.
        """
        if await self._settling.look() == self._seen:
            return None
        seen, self._seen = self._seen, None  # what does not settle is looked at again, whatever it comes to
        found = await self._settling.settle()
        self._seen = found
        if found == seen:
            return None
        if found.contents is None:
            raise FaultsError(found.faults)
        return found.contents

    def _find_removals(self, snapshot: Snapshot) -> tuple[Removal, ...]:
        """Return what a new snapshot no longer enforces.

        Raises:
            FaultsError: there is something, and the configuration does not allow it.
        """
        served = frozenset(method.name for method in snapshot.methods.values())
        removals = find_removals(self._active.snapshot.enforcement, snapshot.enforcement, served)
        if removals and not self._allows_removal:
            advice = "put it back, or restart the gateway to remove it"
            raise FaultsError(
                Fault(
                    Position("bundle"),
                    "policies.allow_removal",
                    f"is false, and the reload would remove {removal.text}; {advice}",
                )
                for removal in removals
            )
        return removals

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
            extra={"faults": faults, "bundle": self._active.snapshot.bundle_hash},
        )

    def note(self, removals: Iterable[Removal] = ()) -> None:
        """Tell what is in force, and what it no longer enforces."""
        snapshot, facts = self._active.snapshot, self._health.facts
        facts["bundle"] = snapshot.bundle_hash
        removed = [removal.text for removal in removals]
        told = {
            "removed": removed,
            "shadow": snapshot.shadow_hash,
            "shadow_faults": list(snapshot.shadow_faults),
        }
        for name, value in told.items():
            facts.pop(name, None)
            if value:
                facts[name] = value
        facts.pop("reload_faults", None)
        self._metrics.show_stale(is_stale=False)
        for removal in removals:
            self._metrics.record_removal(removal.kind)
        if removed:
            extra = {"removed": removed, "bundle": snapshot.bundle_hash}
            _log.warning("the bundle enforces less than the one before it", extra=extra)
        if snapshot.shadow_faults:
            _log.error("shadow bundle refused", extra={"faults": snapshot.shadow_faults})
