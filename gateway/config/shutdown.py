"""The section of the end of the gateway."""

from __future__ import annotations

from pydantic import Field

from gateway.config.section import Section


class Shutdown(Section):
    """The end of the gateway after SIGTERM or SIGINT."""

    delay_s: float = Field(0, ge=0, le=3600)
    """Seconds in which `/readyz` fails but calls are still accepted, for load balancers to notice."""
    grace_s: float | None = Field(None, ge=0, le=3600)
    """Seconds that active calls have to end after the delay; `limits.deadline_s` when not set."""
