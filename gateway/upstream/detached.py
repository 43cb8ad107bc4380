"""A stream of replies that is read to its end, whether its caller stays or not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from google.protobuf.message import Message

    from gateway.call import ReplyStream


class DetachedStream:
    """Reads a stream in a task of its own, so that it does not end with the task of its caller."""

    def __init__(self, opening: AbstractAsyncContextManager[ReplyStream]) -> None:
        """Begin to read.

        Args:
            opening: opens the stream, and closes it.
        """
        self._opening = opening
        # One message at most waits: the upstream is not read faster than the caller reads.
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._has_caller = True
        self.task = asyncio.ensure_future(self._read())

    async def messages(self) -> AsyncIterator[Message]:
        """Yield each message; raises as the stream does."""
        while (message := await self._queue.get()) is not None:
            yield message
        await self.task

    def leave(self) -> None:
        """Read on without a caller; what comes is dropped."""
        self._has_caller = False
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # no one else asks
        while not self._queue.empty():
            self._queue.get_nowait()

    async def _read(self) -> None:
        try:
            async with self._opening as replies:
                async for message in replies.messages:
                    await self._hand_over(message)
        finally:
            await self._hand_over(None)

    async def _hand_over(self, message: Message | None) -> None:
        if self._has_caller:
            await self._queue.put(message)
