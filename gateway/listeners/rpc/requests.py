"""The request message of a gRPC call, waited for within bounds: a call without one costs nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc.aio

from gateway.errors import Code, GatewayError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable


class RequestReader:
    """Reads the one message of each call; of too many that wait, the one that waits longest is refused.

    A caller sends its message with the head of the call, so that those who wait
    long are the last that deserve it.
    """

    def __init__(self, max_waiting: int, max_bytes: int) -> None:
        """Prepare.

        Args:
            max_waiting: most calls that may wait at once.
            max_bytes: largest message.
        """
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._waiting: dict[asyncio.Timeout, None] = {}  # the one that waits longest comes first

    async def read(self, read: Callable[[], Any], deadline: float) -> bytes:
        """Return the message.

        Args:
            read: of the call's context.
            deadline: by the event loop's clock, in seconds.

        Raises:
            GatewayError: there is none, it is too large, or it did not come in time.
        """
        if len(self._waiting) >= self._max_waiting:
            self._refuse_oldest()
        timeout = asyncio.timeout_at(deadline)
        try:
            async with timeout:
                self._waiting[timeout] = None
                data = await read()
        except TimeoutError as error:
            raise _late(was_refused=timeout not in self._waiting) from error
        finally:
            self._waiting.pop(timeout, None)
        if data is grpc.aio.EOF:
            raise invalid_request("the call has no request message")
        if len(data) > self._max_bytes:
            message = f"the request is larger than {self._max_bytes} bytes"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "BODY_TOO_LARGE", message)
        return bytes(data)

    def _refuse_oldest(self) -> None:
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        if not oldest.expired():
            oldest.reschedule(0)


def _late(*, was_refused: bool) -> GatewayError:
    if was_refused:
        message = "too many calls wait for their request messages; send it with the head of the call"
        return GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
    message = "the request message did not arrive within the call's deadline"
    return GatewayError(Code.DEADLINE_EXCEEDED, "BODY_TIMEOUT", message)
