"""How many calls may be under way at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from gateway.telemetry import Metrics


class ConcurrencyLimit:
    """Counts the calls under way, over both listeners and every snapshot."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._active = 0
        # Changes that were forwarded: they end whatever becomes of their caller, and of their snapshot.
        self.forwarding: set[asyncio.Task[Any]] = set()

    def admit(self) -> Slot:
        """Return a slot; it is taken for as long as its block lasts, or longer if it is held for a task.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED when the limit is reached.
        """
        if self._active >= self._limit:
            message = f"{self._limit} calls are under way; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
        self._active += 1
        self._metrics.change_active(1)
        return Slot(self)

    def release(self) -> None:
        """Give a slot back; only a Slot calls this."""
        self._active -= 1
        self._metrics.change_active(-1)


class Slot:
    """One of the calls under way. A context manager, to be entered once."""

    __slots__ = ("_admission", "_task")

    def __init__(self, admission: ConcurrencyLimit) -> None:
        self._admission = admission
        self._task: asyncio.Task[Any] | None = None

    def hold_for(self, task: asyncio.Task[Any]) -> None:
        """Keep the slot until a task is done, even when the block ends before: its work still goes on."""
        self._task = task
        self._admission.forwarding.add(task)
        task.add_done_callback(self._admission.forwarding.discard)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is None or self._task.done():
            self._admission.release()
        else:
            self._task.add_done_callback(lambda _: self._admission.release())
