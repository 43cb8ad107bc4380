"""The reloader. It replaces the active snapshot when policies or descriptors have changed.

A watcher or a signal starts a reload. The changed files are used only after they have settled. The new
snapshot is built while the active snapshot serves calls. Then the new snapshot replaces the active snapshot.
If the files have faults, the active snapshot continues to serve calls. The faults are shown in the log, the
metrics, the conditions and on /readyz. If the new snapshot enforces less than the active snapshot, the
configuration decides whether the reload is refused, or is done and the difference is reported.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position
from gateway.policy import find_removals
from gateway.serving.settling import Read, Settling
from gateway.serving.sources import SourceFiles
from gateway.telemetry import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.policy import Removal
    from gateway.serving.builder import Builder
    from gateway.serving.snapshot import ActiveSnapshot, Snapshot
    from gateway.serving.sources import Sources
    from gateway.telemetry import Health, Metrics

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0
"""The number of seconds between two reads by the watcher."""
CONDITION = "reload"
"""The name of the health condition that shows whether the active snapshot uses the files on disk."""
BUNDLE_CONDITION = "bundle"
"""The name of the health condition that shows whether the bundles work that the configuration names."""
_LAST_GOOD = "the last good bundle is used since the start, because the bundle on disk had faults"


class Reloader:
    """Keeps the active snapshot up to date with the files that the configuration names."""

    def __init__(
        self,
        active: ActiveSnapshot,
        builder: Builder,
        health: Health,
        metrics: Metrics,
        on_active: Callable[[], None],
    ) -> None:
        """Initialize the reloader.

        Args:
            active: the holder of the active snapshot.
            builder: the builder of new snapshots.
            health: the health that shows facts about the active snapshot and the condition of reloads.
            metrics: the metrics that count reloads.
            on_active: a function that is called each time a new snapshot has become active.
        """
        self._active = active
        self._builder = builder
        self._health = health
        self._metrics = metrics
        self._on_active = on_active
        policies = builder.config.policies
        self._settling: Settling[Sources] = Settling(SourceFiles(builder.config), policies.settle_s)
        self._allows_removal = policies.allow_removal
        self._seen: Read[Sources] | None = None
        self._turn = asyncio.Lock()
        self._uses_last_good = False

    async def start(self, sources: Sources, faults: Iterable[Fault] = ()) -> None:
        """Report the first snapshot, and save its bundle for the next start.

        Args:
            sources: the sources from which the active snapshot was built.
            faults: the faults of the files on disk; empty if the active snapshot was built from these files.
        """
        self._report_active()
        if faults:
            self._uses_last_good = True
            self._refuse(faults)
        else:
            self._seen = Read(sources)
        await self._keep(sources)
        self._on_active()

    async def watch(self, interval_s: float = INTERVAL_S) -> None:
        """Reload whenever a file has changed. This coroutine runs until it is cancelled.

        The contents of the files are compared. Modification times are not enough, because an update of a
        mounted ConfigMap only replaces links.
        """
        while True:
            await self.reload()
            await asyncio.sleep(interval_s)

    async def reload(self) -> None:
        """Replace the active snapshot if the files have changed since the last read and have settled."""
        async with self._turn:  # a signal may arrive during a reload
            try:
                sources = await self._read_changed()
                if sources is None:
                    return
                snapshot = await asyncio.to_thread(self._builder.build, sources)
                removals = self._find_removals(snapshot)
            except FaultsError as error:
                self._refuse(error.faults)
                return
            except Exception:  # noqa: BLE001 - whatever it is, the watcher continues, and it is reported
                self._seen = None  # the next reload tries again, because the files may not be the cause
                _log.exception("reload failed")
                self._refuse([Fault(Position("bundle"), "", "the gateway failed to load it; see its log")])
                return
            self._active.snapshot = snapshot
            self._uses_last_good = False
            self._metrics.record_reload(is_good=True)
            self._report_active(removals)
            _log.info("reloaded", extra={"bundle": snapshot.bundle_hash})
            await self._keep(sources)
            self._on_active()

    async def _keep(self, sources: Sources) -> None:
        """Save the bundle for the next start. If the bundle cannot be saved, only report the failure."""
        try:
            await asyncio.to_thread(self._builder.keep, sources)
        except OSError as error:
            _log.warning("last good bundle not kept", extra={"reason": error.strerror})
            self._health.facts["last_good_fault"] = error.strerror
        else:
            self._health.facts.pop("last_good_fault", None)
        self._show_bundle()

    def _show_bundle(self) -> None:
        """Set the condition of the bundles. That of the reload shows the faults of the files on disk."""
        snapshot, fault = self._active.snapshot, self._health.facts.get("last_good_fault")
        reasons = [_LAST_GOOD] if self._uses_last_good else []
        if snapshot.shadow_faults:
            reasons.append(
                f"the shadow bundle is not evaluated: {'; '.join(map(str, snapshot.shadow_faults))}"
            )
        if fault:
            reasons.append(f"the last good bundle cannot be saved: {fault}")
        status = Status.DEGRADED if reasons else Status.OK
        self._health.set(BUNDLE_CONDITION, status, "; ".join(reasons))

    async def _read_changed(self) -> Sources | None:
        """Return the settled sources. Return None if no file has changed since the last read.

        Raises:
            FaultsError: the files cannot be read, or do not settle.
        """
        if await self._settling.read() == self._seen:
            return None
        seen, self._seen = self._seen, None  # if the files do not settle, the next reload reads them again
        found = await self._settling.settle()
        self._seen = found
        if found == seen:
            return None
        if found.contents is None:
            raise FaultsError(found.faults)
        return found.contents

    def _find_removals(self, snapshot: Snapshot) -> tuple[Removal, ...]:
        """Return the rules, bindings and methods that the new snapshot no longer enforces.

        Args:
            snapshot: the new snapshot.

        Raises:
            FaultsError: something is no longer enforced, and the configuration does not allow removals.
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

    def _refuse(self, found: Iterable[Fault]) -> None:
        """Report that the files on disk are not used. The same faults are not reported twice in a row."""
        faults = [str(fault) for fault in found]
        if self._health.facts.get("reload_faults") == faults:
            return
        self._health.facts["reload_faults"] = faults
        self._health.set(CONDITION, Status.DEGRADED, "; ".join(faults))
        self._metrics.record_reload(is_good=False)
        self._metrics.show_stale(is_stale=True)
        _log.error(
            "reload refused, the active snapshot stays",
            extra={"faults": faults, "bundle": self._active.snapshot.bundle_hash},
        )

    def _report_active(self, removals: Iterable[Removal] = ()) -> None:
        """Report the active snapshot, and also what it no longer enforces: rules, bindings and methods."""
        snapshot, facts = self._active.snapshot, self._health.facts
        removed = [removal.text for removal in removals]
        shown = {
            "bundle": snapshot.bundle_hash,
            "removed": removed,
            "shadow": snapshot.shadow_hash,
            "shadow_faults": list(map(str, snapshot.shadow_faults)),
        }
        for name, value in shown.items():
            facts.pop(name, None)
            if value:
                facts[name] = value
        facts.pop("reload_faults", None)
        self._health.set(CONDITION, Status.OK)
        self._metrics.show_stale(is_stale=False)
        for removal in removals:
            self._metrics.record_removal(removal.kind)
        if removed:
            extra = {"removed": removed, "bundle": snapshot.bundle_hash}
            _log.warning("the bundle enforces less than the one before it", extra=extra)
        if snapshot.shadow_faults:
            _log.error("shadow bundle refused", extra={"faults": list(map(str, snapshot.shadow_faults))})
