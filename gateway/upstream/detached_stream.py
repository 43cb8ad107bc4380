"""Response streams of forwarded calls that change something. They are read even if the caller disconnects."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from gateway.call import ReplyStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from google.protobuf.message import Message


class DetachedStream:
    """Reads the response stream of a call in a separate task. The task continues without the caller."""

    def __init__(
        self,
        source: ReplyStream,
        on_abandoned: Callable[[asyncio.Task[None]], None],
        on_end: Callable[[ReplyStream | None, BaseException | None], None],
    ) -> None:
        """Start the task.

        Args:
            source: the response messages of the upstream.
            on_abandoned: a function that is called with the task when the caller has disconnected.
            on_end: a function that is called when the stream has ended: with the stream, or with the
                exception that ended the stream.
        """
        self._source = source
        self._on_abandoned = on_abandoned
        self._on_end = on_end
        # At most one message waits, so the upstream's stream is not read faster than the caller reads.
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._has_caller = True
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(read_exception)

    def to_reply(self) -> ReplyStream:
        """Return the stream for the caller."""
        return ReplyStream(self._read(), self._abandon)

    async def _run(self) -> None:
        try:
            async with aclosing(self._source):
                async for message in self._source:
                    await self._hand_over(message)
        except BaseException as error:
            self._on_end(None, error)
            raise
        else:
            self._on_end(self._source, None)
        finally:
            await self._hand_over(None)

    async def _read(self) -> AsyncGenerator[Message, None]:
        """Yield each message of the stream, and raise the error that ends the stream."""
        while (message := await self._messages.get()) is not None:
            yield message
        await asyncio.shield(self._task)

    def _abandon(self) -> None:
        """Continue without a caller. Further response messages are dropped."""
        self._has_caller = False
        if not self._task.done():
            self._on_abandoned(self._task)
        while not self._messages.empty():
            self._messages.get_nowait()

    async def _hand_over(self, message: Message | None) -> None:
        if self._has_caller:
            await self._messages.put(message)


def read_exception(task: asyncio.Task[None]) -> None:
    """Mark the exception of a task as read, so that asyncio does not log the exception."""
    if not task.cancelled():
        task.exception()
