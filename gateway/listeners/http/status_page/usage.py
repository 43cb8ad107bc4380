"""What is in use at present: the ledger and the limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.ledger.service import LedgerService
    from gateway.limits import Admission
    from gateway.operations import OperationsService
    from gateway.operations.waiting.hub import WaitingHub


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The parts of the gateway that count what is in use.

    Attributes:
        config: the configuration, which has the limits.
        admission: the admission of calls.
        waiting: the calls that wait for operations.
        ledger: the ledger; None if it is disabled.
        operations: the work on calls of the ledger; None if it is disabled.
    """

    config: Config
    admission: Admission
    waiting: WaitingHub
    ledger: LedgerService | None
    operations: OperationsService | None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values. A number is None if it is not known yet."""
        limits = self.config.limits
        return {
            "ledger": self._describe_ledger(),
            "limits": {
                "concurrency": {"calls": self.admission.active, "limit": limits.concurrency},
                "queue": {"calls": self.admission.queued, "limit": limits.queue},
                "waiters": {"calls": self.waiting.waiters, "limit": limits.waiters},
            },
        }

    def _describe_ledger(self) -> dict[str, Any] | None:
        if self.ledger is None or self.operations is None:
            return None
        pending, unknown, operations = self.operations.open_calls or (None, None, None)
        return {
            "database": self.ledger.store.dialect,
            "queue": {"entries": self.ledger.writer.waiting, "limit": self.config.ledger.capacity},
            "unsettled": {"pending": pending, "unknown": unknown},
            "following": operations,
        }
