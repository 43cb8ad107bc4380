"""The health of the gateway: named conditions that parts of the gateway set, and additional facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Status(StrEnum):
    """The status of a part of the gateway.

    Attributes:
        OK: the part works.
        DEGRADED: the part has a problem, but the gateway can still handle calls.
        FAILED: the part does not work, and the gateway must not receive calls.
    """

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The condition of one part of the gateway.

    Attributes:
        name: the name of the part.
        status: the status of the part.
        reason: the text that describes the problem of the part; usually empty for the status OK.
        since: the time of the last change of the status.
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
        facts: the additional values that the readiness page shows, such as the version and the bundle.
        now: the function that returns the current time.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _conditions: dict[str, Condition] = field(default_factory=dict)
    _observers: dict[object, Callable[[], None]] = field(default_factory=dict)

    @property
    def conditions(self) -> list[Condition]:
        """The conditions of all parts."""
        return list(self._conditions.values())

    @property
    def is_ready(self) -> bool:
        """Whether the gateway can handle calls.

        The value is true if at least one condition is set, and no condition has the status FAILED.
        """
        conditions = self._conditions.values()
        return bool(conditions) and all(one.status is not Status.FAILED for one in conditions)

    def set(self, name: str, status: Status, reason: str = "") -> None:
        """Set the condition of a part. If the status is unchanged, the time `since` is also unchanged."""
        known = self._conditions.get(name)
        since = known.since if known is not None and known.status is status else self.now()
        self._conditions[name] = Condition(name=name, status=status, reason=reason, since=since)
        if known is None or known.status is not status:
            for notify in tuple(self._observers.values()):
                notify()

    def observe_conditions(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """Yield 1 for the status of each part and 0 for all other statuses, with name and status."""
        for condition in self.conditions:
            for status in Status:
                yield int(status is condition.status), (condition.name, status.value)

    def observe(self, observer: object, notify: Callable[[], None]) -> None:
        """Call a function each time the status of a part has changed.

        Args:
            observer: the key with which the function can be removed.
            notify: the function. It is called in the thread that has set the condition.
        """
        self._observers[observer] = notify

    def unobserve(self, observer: object) -> None:
        """Remove the function of an observer."""
        self._observers.pop(observer, None)
