"""The section of telemetry. The standard variables of OpenTelemetry set everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gateway.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.faults import Path

SLOW: Literal["slow"] = "slow"


class TelemetrySection(Section):
    """What the standard `OTEL_*` variables of traces do not set."""

    trust_remote_context: bool = True
    """Whether a call continues the trace of its caller; `false` starts a new trace with a link to it."""
    keep: tuple[Literal["denied", "failed", "slow"], ...] = ("denied", "failed", "slow")
    """Calls whose spans are always sent, also when the sampler has not selected them."""
    slow_s: float = Field(1, gt=0, le=3600)
    """Seconds over which a call is slow. Waits for operations and streams are never slow."""

    def find_ineffective(self) -> Iterator[tuple[Path, str]]:
        """Yield the keys that have no effect."""
        if SLOW not in self.keep and "slow_s" in self.model_fields_set:
            yield ("telemetry", "slow_s"), f"has no effect, because telemetry.keep does not contain {SLOW!r}"
