"""The parts that both listeners share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.call import Caller

if TYPE_CHECKING:
    from gateway.config import Limits
    from gateway.limits import ConcurrencyLimit, Slot
    from gateway.listeners.metadata import MetadataReader
    from gateway.serving.snapshot import ActiveSnapshot
    from gateway.telemetry import Metrics, Tracing


class ActiveCalls:
    """The calls under way on both listeners, so that each has its response before the gateway stops.

    Attributes:
        is_stopping: the gateway stops; no further calls are wanted.
        is_cut: the calls that are still under way end now.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_cut = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def enter(self) -> asyncio.Task[Any] | None:
        """Add the call of the current task, and return that task."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """Remove the call of a task."""
        if task is not None:
            self._tasks.discard(task)

    def cut(self) -> None:
        """Cancel every call; a listener responds to a call that is cut with stopping_error()."""
        self.is_cut = True
        for task in self._tasks:
            task.cancel()


class Head:
    """The stage at the head of a request, before its message is received: who calls, and may it call now.

    Today every caller is anonymous.
    """

    def __init__(self, concurrency: ConcurrencyLimit) -> None:
        self._concurrency = concurrency

    def identify(self, address: str) -> Caller:
        """Return the caller.

        Args:
            address: IP address of the peer.
        """
        return Caller(address=address)

    def admit(self) -> Slot:
        """Return the slot of a call.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED when too many calls are under way.
        """
        return self._concurrency.acquire()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerContext:
    """The parts that both listeners share.

    Attributes:
        active: holds the snapshot that serves.
        head: the stage at the head of a request.
        metadata: reads the metadata that a caller may set.
        calls: the calls under way.
    """

    active: ActiveSnapshot
    head: Head
    metadata: MetadataReader
    tracing: Tracing
    metrics: Metrics
    limits: Limits
    calls: ActiveCalls
