"""What both call listeners are made of, and one exchange with a caller."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Status, StatusCode

from gateway.listeners.metadata import request_id
from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config import Limits
    from gateway.listeners.metadata import MetadataReader
    from gateway.serving.snapshot import ActiveSnapshot
    from gateway.telemetry import Metrics, Tracing

_log = logging.getLogger(__name__)


class ActiveCalls:
    """The calls under way on both listeners, so that each has its response before the gateway stops.

    Attributes:
        is_stopping: no further calls are wanted.
        is_cut: those still under way end now.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_cut = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def enter(self) -> asyncio.Task[Any] | None:
        """Note the call of the current task, and return that."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """Forget the call of a task."""
        if task is not None:
            self._tasks.discard(task)

    def cut(self) -> None:
        """Cancel every call; a listener responds to one that is_cut with stopping_error()."""
        self.is_cut = True
        for task in self._tasks:
            task.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerContext:
    """What the REST and the gRPC listener share."""

    active: ActiveSnapshot
    metadata: MetadataReader
    tracing: Tracing
    metrics: Metrics
    limits: Limits
    calls: ActiveCalls


class Exchange:
    """One request while it is being answered: its names, its span and its times.

    Attributes:
        started: by the event loop's clock, in seconds; what deadlines are reckoned from.
        id: the request ID.
        facts: about the call, in every log line about it.
    """

    def __init__(
        self, shared: ListenerContext, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]
    ) -> None:
        """Begin.

        Args:
            shared: whose exchange it is.
            name: of the span.
            headers: of the caller, for its request ID and its trace.
            attributes: of the span.
        """
        self.started = asyncio.get_running_loop().time()
        # The loop's clock may have whole milliseconds: enough for deadlines, too coarse to measure by.
        self._started_ns = time.perf_counter_ns()
        self.id = request_id(headers)
        self.span = shared.tracing.start_server(name, headers, attributes)
        self.trace_id = trace_id_of(self.span)
        self.facts: dict[str, str] = {}
        self._calls = shared.calls
        self._task = shared.calls.enter()

    def headers(self) -> dict[str, str]:
        """Return the headers, or the metadata, that every answer has."""
        return {"x-request-id": self.id, "x-server-trace-id": self.trace_id}

    def log_failure(self) -> None:
        """Log the exception that is being handled: a fault of the gateway's own."""
        _log.exception("call failed", extra=self._fields())

    def end(self, status: int | str, *, is_failure: bool) -> float:
        """End the span, log the answer, and return how long it took, in seconds."""
        self._calls.leave(self._task)
        duration_s = (time.perf_counter_ns() - self._started_ns) / 1e9
        if is_failure:
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()
        fields = {"status": status, "duration_ms": round(duration_s * 1e3, 3)}
        _log.info("answered", extra=self._fields() | fields)
        return duration_s

    def _fields(self) -> dict[str, Any]:
        return {"call_id": self.id, "trace_id": self.trace_id, **self.facts}
