"""Health of the gateway: named conditions, which any part can set, and facts that are shown with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Status(StrEnum):
    """The status of a part of the gateway.

    Attributes:
        OK: as it should.
        DEGRADED: worse than it should; the gateway can still be sent calls.
        FAILED: the gateway must not be sent calls.
    """

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The health of one part.

    Attributes:
        name: the name of the part.
        status: how it works.
        reason: why it does not work as it should; empty while it does.
        since: when the status changed last.
    """

    name: str
    status: Status
    reason: str
    since: datetime

    def to_json(self) -> dict[str, str]:
        """Return the condition as JSON values."""
        since = self.since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"name": self.name, "status": self.status, "reason": self.reason, "since": since}


@dataclass(slots=True)
class Health:
    """The conditions of all parts, in the order in which they were first set.

    Attributes:
        facts: what the readiness page shows with the status, such as version and bundle.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _conditions: dict[str, Condition] = field(default_factory=dict)

    @property
    def conditions(self) -> list[Condition]:
        """The condition of each part that has set one."""
        return list(self._conditions.values())

    @property
    def is_ready(self) -> bool:
        """Whether the gateway may be sent calls: some part has reported, and none has failed."""
        conditions = self._conditions.values()
        return bool(conditions) and all(one.status is not Status.FAILED for one in conditions)

    def set(self, name: str, status: Status, reason: str = "") -> None:
        """Set the condition of a part. The time is kept as long as the status stays the same."""
        known = self._conditions.get(name)
        since = known.since if known is not None and known.status is status else self.now()
        self._conditions[name] = Condition(name=name, status=status, reason=reason, since=since)
