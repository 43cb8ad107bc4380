"""The parts that work on calls after their responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ledger.work import Work
from gateway.operations.following import Follower
from gateway.operations.observer import Observer
from gateway.operations.own_calls import OwnCalls
from gateway.operations.settlement import Settler
from gateway.operations.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Config
    from gateway.ledger.service import LedgerService
    from gateway.operations.own_calls import Serving
    from gateway.telemetry import Telemetry


_MARGIN_S = 60.0


class OperationsService:
    """Settles changes and follows operations.

    Attributes:
        observer: the observer of responses.
    """

    def __init__(
        self,
        ledger: LedgerService,
        get_serving: Callable[[], Serving],
        config: Config,
        telemetry: Telemetry,
    ) -> None:
        """Create the parts.

        Args:
            ledger: the ledger with the calls.
            get_serving: a function that returns what serves at present.
            config: the configuration.
            telemetry: the traces and metrics of the process.
        """
        work = Work(ledger.store, ledger.leases.replica)
        calls = OwnCalls(get_serving, config.limits.deadline_s)
        settler = Settler(
            work,
            calls,
            ledger.writer,
            telemetry.metrics,
            telemetry.tracing,
            config.ledger.resend_within,
            may_resend=not config.is_observing,
        )
        follower = Follower(calls, ledger.writer, telemetry.metrics, telemetry.tracing)
        self._worker = Worker(
            work,
            ledger.writer,
            settler,
            follower,
            telemetry.metrics,
            longest_s=2 * config.limits.deadline_s + _MARGIN_S,
            requests=ledger.requests_path,
        )
        self.observer = Observer(work, ledger.writer, settler, follower)
        self._ledger = ledger

    @property
    def open_calls(self) -> tuple[int, int, int] | None:
        """The latest numbers of pending changes, changes of unknown outcome, and followed operations.

        The value is None if they were not counted yet.
        """
        return self._worker.open_calls

    def start(self) -> None:
        """Start the background tasks. The ledger stops them."""
        self._ledger.run(self._worker.run)
        self._ledger.run(self.observer.run)
