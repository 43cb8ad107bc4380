"""Puts a changed bundle in force while the gateway serves.

The new bundle is compiled aside and swapped in whole. One with faults changes
nothing: the last good one stays, and the log, a metric and /readyz say so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.bundle_files import read_bundle
from gateway.faults import FaultsError
from gateway.policy import Decider, load_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.listeners import Health
    from gateway.pipeline import Pipeline
    from gateway.schema import Schema
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0


class BundleReloader:
    """Watches the files of a bundle."""

    def __init__(
        self, path: Path, schema: Schema, pipeline: Pipeline, health: Health, metrics: Metrics
    ) -> None:
        self._path = path
        self._schema = schema
        self._pipeline = pipeline
        self._health = health
        self._metrics = metrics
        self._seen: dict[str, str] | None = None
        self._note()

    async def watch(self, interval_s: float = INTERVAL_S) -> None:
        """Reload whenever a file has changed, until cancelled.

        Texts are compared, not times: a bundle mounted from a ConfigMap changes by links.
        """
        while True:
            await self.reload()
            await asyncio.sleep(interval_s)

    async def reload(self) -> None:
        """Put the bundle in force if its files are others than at the last look."""
        try:
            files = await asyncio.to_thread(read_bundle, self._path)
            if files == self._seen:
                return
            self._seen = files
            bundle = await asyncio.to_thread(load_bundle, files, self._schema)
        except FaultsError as error:
            self._refuse(error)
            return
        if bundle.hash == self._pipeline.decider.bundle.hash:
            self._note()
            return
        self._pipeline.decider = Decider(bundle)
        self._metrics.record_reload(is_good=True)
        self._note()
        _log.info("bundle reloaded", extra={"bundle": bundle.hash})

    def _refuse(self, error: FaultsError) -> None:
        faults = [str(fault) for fault in error.faults]
        if self._health.facts.get("bundle_faults") == faults:
            return
        self._health.facts["bundle_faults"] = faults
        self._metrics.record_reload(is_good=False)
        _log.error(
            "bundle refused, the last good one stays in force",
            extra={"faults": faults, "bundle": self._pipeline.decider.bundle.hash},
        )

    def _note(self) -> None:
        self._health.facts["bundle"] = self._pipeline.decider.bundle.hash
        self._health.facts.pop("bundle_faults", None)
