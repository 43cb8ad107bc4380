"""The parts that the REST listener and the gRPC listener share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.callers.failed_attempts import FailedAttempts
from gateway.config import Rate
from gateway.errors.mode import ENFORCE, EnforceMode, ObserveMode
from gateway.limits.caller_key import caller_key

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway.call import Caller, RequestHead
    from gateway.callers import CallerIdentifier
    from gateway.config import Limits
    from gateway.limits import Admission, Slot
    from gateway.listeners.metadata import MetadataReader
    from gateway.serving.snapshot import ActiveSnapshot
    from gateway.telemetry import Metrics, Tracing


RECORD_RATE = Rate(count=60, seconds=60)
"""The maximum rate of records about calls that are refused at their heads.

It applies to each caller, and to all callers together that were not identified. Each of these calls has a log
line.
"""


class ActiveCalls:
    """The active calls of the REST listener and the gRPC listener.

    Each active call receives a response before the gateway stops.

    Attributes:
        is_stopping: whether the gateway is stopping. A stopping gateway should receive no new calls.
        is_cut: whether the active calls were cancelled because the gateway is stopping.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_cut = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def enter(self) -> asyncio.Task[Any] | None:
        """Add the call of the current task to the active calls, and return this task."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """Remove the call that a task processes."""
        if task is not None:
            self._tasks.discard(task)

    def cut(self) -> None:
        """Cancel every call. The listeners respond to cancelled calls with stopping_error()."""
        self.is_cut = True
        for task in self._tasks:
            task.cancel()


class Head:
    """The first stage of a call. It identifies the caller and acquires a slot for the call.

    This stage ends before the request message is received.
    """

    def __init__(self, callers: CallerIdentifier, admission: Admission) -> None:
        self._callers = callers
        self._admission = admission
        self._records = FailedAttempts(RECORD_RATE)

    def identify(self, head: RequestHead) -> Coroutine[Any, Any, Caller]:
        """Return the caller of a call.

        Raises:
            GatewayError: the caller is refused.
        """
        return self._callers.identify(head)

    def may_record(self, caller: Caller | None) -> bool:
        """Return whether one more call that was refused at its head may be recorded.

        Otherwise a refused call would cost the caller nothing, and fill the disk or the database of the
        records.

        Args:
            caller: the caller; None if it was not identified.
        """
        key = "" if caller is None else caller_key(caller)
        if self._records.wait_s(key):
            return False
        self._records.add(key)
        return True

    def find_anonymous(self, head: RequestHead) -> Caller:
        """Return the caller of a call whose caller was not identified. Only its address is known."""
        return self._callers.find_anonymous(head)

    def admit(self, caller: Caller, method: str, mode: EnforceMode = ENFORCE) -> Coroutine[Any, Any, Slot]:
        """Apply the limits to a call, and return its slot.

        Args:
            caller: the caller.
            method: the full name of the method; empty if it is not served.
            mode: whether a limit refuses the call, or this is only observed.

        Raises:
            GatewayError: a limit refuses the call.
        """
        return self._admission.admit(caller, method, mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerContext:
    """The parts that the REST listener and the gRPC listener share.

    Attributes:
        active: the holder of the active snapshot.
        head: the first stage of each call.
        metadata: the reader of the metadata that a caller may set.
        calls: the active calls.
        own_services: the full names of the services whose upstreams receive the gateway's own credentials.
        is_observing: whether the mode of all calls is `observe`.
    """

    active: ActiveSnapshot
    head: Head
    metadata: MetadataReader
    tracing: Tracing
    metrics: Metrics
    limits: Limits
    calls: ActiveCalls
    own_services: frozenset[str] = frozenset()
    is_observing: bool = False

    def make_mode(self) -> EnforceMode:
        """Return the mode of a new call."""
        return ObserveMode(self.metrics.record_observed) if self.is_observing else ENFORCE
