"""The hub: all calls of a process that wait for operations."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import Code, GatewayError
from gateway.operations.waiting.confirmations import Confirmations
from gateway.operations.waiting.credentials import hash_credentials
from gateway.operations.waiting.poller import Pace, Poller
from gateway.operations.waiting.topic import OperationTopic
from gateway.operations.waiting.waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.call import Call
    from gateway.operations.waiting.operation_state import OperationState
    from gateway.operations.waiting.reader import Reading

STOPPING = "STOPPING"
"""The reason of the error with which waits end when the gateway stops."""
_MAX_STARTED = 10_000


class _Reader(Protocol):
    async def confirm(self, get: Call) -> Reading: ...

    async def poll(self, get: Call) -> Reading: ...


class WaitingHub:
    """Lets calls wait for operations. For each operation, one task polls while somebody waits.

    Attributes:
        waiters: the number of calls that wait.
    """

    def __init__(
        self,
        reader: _Reader,
        max_waiters: int,
        pace: Pace | None = None,
        confirmations: Confirmations | None = None,
        count: Callable[[int], None] = lambda _: None,
        *,
        has_own_credentials: bool = False,
    ) -> None:
        """Initialize the hub.

        Args:
            reader: the reader of operations.
            max_waiters: the maximum number of calls that wait.
            pace: how often operations are polled; None means the default.
            confirmations: the confirmations that callers may read operations; None for new ones.
            count: a function that is called with each change of the number of waiters.
            has_own_credentials: whether the gateway reads operations with credentials of its own.
        """
        self._max_waiters = max_waiters
        self._pace = pace or Pace()
        self._confirmations = confirmations or Confirmations(reader)
        self._poller = Poller(reader, self._confirmations, self._pace)
        self._topics: dict[str, OperationTopic] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # The operations that callers have started, with the time until which they may not be found yet.
        self._started: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._is_stopping = False
        self._count = count
        self._has_own_credentials = has_own_credentials
        self.waiters = 0

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The tasks of the hub that have not ended."""
        return self._tasks | self._confirmations.tasks

    def note_started(self, call: Call, operation: Any) -> None:
        """Note an operation that a call has started. It may not be found at the upstream for some seconds."""
        if not operation.done:
            until = asyncio.get_running_loop().time() + self._pace.tolerated_s
            credentials = hash_credentials(call, is_own=self._has_own_credentials)
            self._started[operation.id, credentials] = until
            if len(self._started) > _MAX_STARTED:
                self._started.popitem(last=False)

    @contextmanager
    def admit(self, get: Call) -> Iterator[Waiter]:
        """Return a context manager with a new waiter, which counts until the end of the `with` block.

        Args:
            get: the call of OperationService/Get that the caller could make instead.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED if too many calls wait; UNAVAILABLE if the gateway stops.
        """
        if self._is_stopping:
            raise stopping()
        if self.waiters >= self._max_waiters:
            message = f"{self._max_waiters} calls wait for operations; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_WAITERS", message)
        asked: Any = get.request
        topic = self._topics.setdefault(asked.operation_id, OperationTopic(asked.operation_id))
        waiter = Waiter(get, topic, has_own_credentials=self._has_own_credentials)
        topic.waiters[waiter] = None
        self.waiters += 1
        self._count(1)
        try:
            yield waiter
        finally:
            self.waiters -= 1
            self._count(-1)
            del topic.waiters[waiter]
            if not topic.waiters:
                del self._topics[topic.operation_id]
                if topic.polling is not None:
                    topic.polling.cancel()

    async def read_first(self, waiter: Waiter, retry_until: float, until: float) -> OperationState:
        """Return the present state of the operation of a waiter.

        Args:
            waiter: the waiter.
            retry_until: the time until which to try again while the upstream is unavailable.
            until: the time at which the call ends.

        Raises:
            GatewayError: the waiter may not read the operation, the upstream fails, or the time is over.
        """
        topic = waiter.topic
        if topic.state is None:
            self._confirmations.drop(topic.operation_id, waiter.credentials)
        if not await self._confirm(waiter, retry_until, until) or topic.state is None:
            raise deadline_exceeded()
        waiter.has_read = True
        return topic.state

    async def read_next(self, waiter: Waiter, seen: str, until: float) -> OperationState | None:
        """Return the next state of the operation of a waiter; None if the time is over first.

        Args:
            waiter: the waiter.
            seen: the ID of the last state that the caller has seen.
            until: the time at which the wait ends; it may be infinite.

        Raises:
            GatewayError: the operation cannot be read any more, or the gateway stops.
        """
        topic = waiter.topic
        while True:
            if topic.state is not None and topic.state.id != seen:
                try:
                    is_confirmed = await self._confirm(waiter, until, until)
                except GatewayError as error:
                    if not self._is_passing(waiter, error):
                        raise
                    return None
                return topic.state if is_confirmed else None
            if topic.polling is None or topic.polling.done():
                topic.polling = self._spawn(topic)
            if not await waiter.pause(until):
                return None

    async def stop(self) -> None:
        """End all waits, and all tasks of the hub. Further waits are refused."""
        self._is_stopping = True
        for topic in self._topics.values():
            for waiter in topic.waiters:
                waiter.end(stopping())
        tasks = self.tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _confirm(self, waiter: Waiter, retry_until: float, until: float) -> bool:
        """Confirm that a waiter may read its operation. Return false if the time is over first."""
        while not self._confirmations.is_valid(waiter):
            try:
                return await self._confirmations.confirm(waiter, until)
            except GatewayError as error:
                again_at = asyncio.get_running_loop().time() + self._pace.retry_s
                if not self._is_passing(waiter, error) or again_at >= retry_until:
                    raise
            await waiter.pause(again_at)
        return True

    def _is_passing(self, waiter: Waiter, error: GatewayError) -> bool:
        """Return whether a further attempt may succeed soon."""
        if waiter.is_ended:
            return False
        if error.code is Code.NOT_FOUND:
            started = self._started.get((waiter.topic.operation_id, waiter.credentials), 0.0)
            return started > asyncio.get_running_loop().time()
        return error.code is Code.UNAVAILABLE

    def _spawn(self, topic: OperationTopic) -> asyncio.Task[None]:
        task = asyncio.create_task(self._poller.run(topic))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def stopping() -> GatewayError:
    """Return the error for a wait that ends because the gateway stops."""
    return GatewayError(Code.UNAVAILABLE, STOPPING, "the gateway stops; wait again")


def deadline_exceeded() -> GatewayError:
    """Return the error for a call whose time is over."""
    return GatewayError(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the call's deadline has passed")
