"""The facts on the status page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.config.effective import list_values
from gateway.config.origins import Origins

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.listeners.http.status_page.usage import Usage
    from gateway.serving.snapshot import ActiveSnapshot
    from gateway.telemetry import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFacts:
    """Where the facts on the status page come from.

    Attributes:
        config: the configuration. Its secrets are not shown.
        origins: the origins of its values; None if they are not known.
        health: the conditions.
        active: the holder of the active snapshot.
        usage: what is in use at present.
        started: the time of the start.
    """

    config: Config
    origins: Origins | None
    health: Health
    active: ActiveSnapshot
    usage: Usage
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _started_s: float = field(default_factory=time.monotonic)

    def to_json(self) -> dict[str, Any]:
        """Return all facts as JSON values."""
        snapshot = self.active.snapshot
        return {
            "version": __version__,
            "status": "ready" if self.health.is_ready else "not ready",
            "started": self.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "uptime_s": round(time.monotonic() - self._started_s, 3),
            "snapshot": {
                "bundle": snapshot.bundle_hash,
                "shadow": snapshot.shadow_hash,
                "descriptors": snapshot.descriptors_hash,
            },
            "conditions": [one.to_json() for one in self.health.conditions],
            **self.usage.to_json(),
            "configuration": [
                {"key": one.key, "value": one.value, "source": one.source if self.origins else None}
                for one in list_values(self.config, self.origins or Origins(None))
            ],
        }
