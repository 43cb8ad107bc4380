"""Confirmations that callers may read operations.

A caller sees an operation only after the upstream has shown it for the caller's own credentials. Callers with
the same credentials share the call that confirms it. A confirmation is valid for a limited time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.operations.waiting.reader import Reading
    from gateway.operations.waiting.waiter import Waiter

LIFETIME_S = 60.0
"""The time for which a confirmation is valid, in seconds."""
CAPACITY = 10_000
"""The maximum number of confirmations. If there are more, the oldest one is dropped and made again."""


class _ConfirmingReader(Protocol):
    async def confirm(self, get: Call) -> Reading: ...


class _Confirming:
    """A call that confirms, and the waiters that share it."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.waiters: set[Waiter] = set()


class Confirmations:
    """The confirmations of one process. They are only in memory."""

    def __init__(
        self, reader: _ConfirmingReader, lifetime_s: float = LIFETIME_S, capacity: int = CAPACITY
    ) -> None:
        self._reader = reader
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._until: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._confirming: dict[tuple[str, bytes], _Confirming] = {}

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The tasks that are confirming."""
        return {one.task for one in self._confirming.values()}

    def is_valid(self, waiter: Waiter) -> bool:
        """Return whether the upstream has shown the operation for the credentials of a waiter recently."""
        return self._until.get(_key(waiter), 0.0) > asyncio.get_running_loop().time()

    def drop(self, operation_id: str, credentials: bytes) -> None:
        """Remove a confirmation."""
        self._until.pop((operation_id, credentials), None)

    async def confirm(self, waiter: Waiter, until: float) -> bool:
        """Read the operation with the credentials of a waiter, and publish its state.

        Return false if the time is over first.

        Raises:
            GatewayError: the upstream does not show the operation for these credentials, the call has failed,
                or the wait was ended.
        """
        key = _key(waiter)
        confirming = self._confirming.get(key)
        if confirming is None or confirming.task.done():  # its end is about to be handled
            confirming = self._confirming[key] = _Confirming(asyncio.create_task(self._read(key, waiter)))
            confirming.task.add_done_callback(lambda _: self._end(key, confirming))
        confirming.waiters.add(waiter)
        try:
            while not confirming.task.done():
                if not await waiter.pause(until):
                    return False
        finally:
            confirming.waiters.discard(waiter)
            if not confirming.waiters and not confirming.task.done():
                confirming.task.cancel()
                self._forget(key, confirming)
        if confirming.task.cancelled():
            return await self.confirm(waiter, until)
        failure = confirming.task.exception()
        if failure is not None:
            raise _copy(failure)
        waiter.has_read = True
        return True

    async def _read(self, key: tuple[str, bytes], waiter: Waiter) -> None:
        reading = await self._reader.confirm(waiter.get)
        self._until[key] = asyncio.get_running_loop().time() + self._lifetime_s
        self._until.move_to_end(key)
        if len(self._until) > self._capacity:
            self._until.popitem(last=False)
        waiter.topic.publish(reading)

    def _end(self, key: tuple[str, bytes], confirming: _Confirming) -> None:
        self._forget(key, confirming)
        if not confirming.task.cancelled():
            confirming.task.exception()  # the waiters raise it, if any is left
        for waiter in confirming.waiters:
            waiter.wake()

    def _forget(self, key: tuple[str, bytes], confirming: _Confirming) -> None:
        if self._confirming.get(key) is confirming:
            del self._confirming[key]


def _key(waiter: Waiter) -> tuple[str, bytes]:
    return waiter.topic.operation_id, waiter.credentials


def _copy(failure: BaseException) -> BaseException:
    """Return a failure that one of several waiters can raise. A call changes the error that ends it."""
    return failure.copy() if isinstance(failure, GatewayError) else failure
