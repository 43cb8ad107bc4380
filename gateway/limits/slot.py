"""The slot of one active call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from gateway.limits.call_counts import Claim
    from gateway.limits.concurrency import ConcurrencyLimit


class Receiving:
    """A context manager. In its `with` block, the gateway receives the request message of a call.

    Attributes:
        since: the time when the block started, in seconds of the event loop's clock.
        timeout: the timeout of the block. A new call that takes over the slot ends the block by means of it.

    Raises:
        TimeoutError: at the end of the block, if the request message did not arrive in time.
        GatewayError: RESOURCE_EXHAUSTED, at the end of the block, if a new call has taken over the slot.
    """

    __slots__ = ("_limit", "_slot", "since", "timeout")

    def __init__(self, limit: ConcurrencyLimit, slot: Slot, deadline: float) -> None:
        self._limit = limit
        self._slot = slot
        self.since = asyncio.get_running_loop().time()
        self.timeout = asyncio.timeout_at(deadline)

    async def __aenter__(self) -> None:
        await self.timeout.__aenter__()
        self._limit.add_receiving(self._slot, self)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_waiting = self._limit.remove_receiving(self._slot)
        try:
            await self.timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            if is_waiting:
                raise
        else:
            if kind is not None:
                return
        if not is_waiting:  # a new call has the slot, even if the request message arrived
            raise self._limit.evicted()


class Slot:
    """The slot of one active call. A slot is a context manager, which can be used only once."""

    __slots__ = ("_claims", "_is_released", "_limit", "_task")

    def __init__(self, limit: ConcurrencyLimit, claims: Sequence[Claim] = ()) -> None:
        """Initialize a slot that is in use.

        Args:
            limit: the limit to which the slot is returned.
            claims: the claims that are released together with the slot.
        """
        self._limit = limit
        self._claims = claims
        self._task: asyncio.Task[Any] | None = None
        self._is_released = False

    def receiving(self, deadline: float) -> Receiving:
        """Return a context manager. The request message must be received in its `with` block.

        Args:
            deadline: the time when the `with` block is cancelled, in seconds of the event loop's clock.
        """
        return Receiving(self._limit, self, deadline)

    def hold_for(self, task: asyncio.Task[Any]) -> None:
        """Keep the slot until a task is done, even if the `with` block of the slot ends earlier."""
        self._task = task
        self._limit.forwarding.add(task)

    def release(self) -> None:
        """Release the slot and its claims. If the slot is already released, do nothing."""
        if not self._is_released:
            self._is_released = True
            for claim in self._claims:
                claim.release()
            self._limit.release()

    def take_away(self) -> None:
        """Release the claims, but not the slot. Only the class ConcurrencyLimit calls this method."""
        self._is_released = True
        for claim in self._claims:
            claim.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task = self._task
        if task is None:
            self.release()
        elif task.done():
            self._end(task)
        else:  # only the tasks of callers that have left
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._limit.forwarding.discard(task)
        self.release()
