"""One call that waits for an operation."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from gateway.operations.waiting.credentials import hash_credentials

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.errors import GatewayError
    from gateway.operations.waiting.topic import OperationTopic


class Waiter:
    """One call that waits for an operation.

    Attributes:
        get: the call of OperationService/Get that the caller could make instead. It has the caller's
            credentials.
        topic: the operation that the call waits for.
        credentials: the hash of the credentials.
        has_read: whether the upstream has shown the operation for these credentials.
    """

    __slots__ = ("_error", "_paused", "credentials", "get", "has_read", "topic")

    def __init__(self, get: Call, topic: OperationTopic, *, has_own_credentials: bool = False) -> None:
        self.get = get
        self.topic = topic
        self.credentials = hash_credentials(get, is_own=has_own_credentials)
        self.has_read = False
        self._paused: asyncio.Future[bool] | None = None
        self._error: GatewayError | None = None

    @property
    def is_ended(self) -> bool:
        """Whether the wait must end with an error."""
        return self._error is not None

    async def pause(self, until: float) -> bool:
        """Wait until `wake` is called. Return false if the time is over first.

        Args:
            until: the time at which the wait ends, in seconds of the event loop's clock; it may be infinite.

        Raises:
            GatewayError: the wait was ended with this error.
        """
        if self._error is not None:
            raise self._error.copy()
        loop = asyncio.get_running_loop()
        paused: asyncio.Future[bool] = loop.create_future()
        self._paused = paused
        timer = None if until == math.inf else loop.call_at(until, _resolve, paused, False)  # noqa: FBT003 - the result
        try:
            is_woken = await paused
        finally:
            self._paused = None
            if timer is not None:
                timer.cancel()
        if self._error is not None:
            raise self._error.copy()
        return is_woken

    def wake(self) -> None:
        """Let the wait go on, because something has changed."""
        if self._paused is not None:
            _resolve(self._paused, True)  # noqa: FBT003 - the result

    def end(self, error: GatewayError) -> None:
        """End the wait with an error."""
        self._error = error
        self.wake()


def _resolve(future: asyncio.Future[bool], result: bool) -> None:  # noqa: FBT001 - the result of the future
    if not future.done():
        future.set_result(result)
