"""Forwarded calls that change something. They continue even if the caller disconnects."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from gateway.call import Reply, ReplyStream

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from google.protobuf.message import Message


class DetachedCall:
    """Forwards a call in a separate task. This task continues when the task of the caller is cancelled.

    Attributes:
        task: the task that forwards the call. The task ends when the upstream's response is complete. If the
            call fails, the task raises the error of the call.
    """

    def __init__(
        self,
        forwarding: Coroutine[None, None, Reply | ReplyStream],
        on_abandoned: Callable[[asyncio.Task[None]], None],
        on_end: Callable[[Reply | ReplyStream | None, BaseException | None], None] | None = None,
    ) -> None:
        """Start the task.

        Args:
            forwarding: the coroutine that forwards the call.
            on_abandoned: a function that is called with the task after the task is done. It is called only if
                the caller has disconnected.
            on_end: a function that is called once when the forwarded call has ended: with the reply, or with
                the exception that ended the call.
        """
        self._on_end = on_end
        self._forwarding = forwarding
        self._on_abandoned = on_abandoned
        self._messages: asyncio.Queue[Message | None] | None = None  # for a stream only
        self._has_caller = True
        loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[Reply | ReplyStream] = loop.create_future()
        self.task = loop.create_task(self._run())

    async def reply(self) -> Reply | ReplyStream:
        """Wait for the reply to the call, and return the reply.

        Raises:
            GatewayError: the error that the forwarder raised.
        """
        try:
            return await self._reply
        except asyncio.CancelledError:
            self._abandon()
            raise

    async def _run(self) -> None:
        try:
            reply = await self._forwarding
        except BaseException as error:
            self.task.add_done_callback(_read_exception)
            self._end(None, error)
            if not self._reply.cancelled():
                self._reply.set_exception(error)
                self._reply.exception()  # marks the exception as read, even if no caller waits
            raise
        if isinstance(reply, Reply):
            self._end(reply, None)
            self._answer(reply)
            return
        # At most one message waits, so the upstream's stream is not read faster than the caller reads.
        messages = self._messages = asyncio.Queue(1)
        self._answer(ReplyStream(self._read(messages), self._abandon))
        try:
            async with aclosing(reply):
                async for message in reply:
                    await self._hand_over(messages, message)
        except BaseException as error:
            self.task.add_done_callback(_read_exception)
            self._end(None, error)
            raise
        else:
            self._end(reply, None)
        finally:
            await self._hand_over(messages, None)

    def _end(self, reply: Reply | ReplyStream | None, error: BaseException | None) -> None:
        if self._on_end is None:
            return
        try:
            self._on_end(reply, error)
        except Exception:  # noqa: BLE001 - the caller must get the response all the same
            _log.exception("the end of a forwarded call was not recorded")

    def _answer(self, reply: Reply | ReplyStream) -> None:
        if not self._reply.cancelled():  # the caller still waits
            self._reply.set_result(reply)

    async def _read(self, messages: asyncio.Queue[Message | None]) -> AsyncGenerator[Message, None]:
        """Yield each message of the stream, and raise the error that ends the stream."""
        while (message := await messages.get()) is not None:
            yield message
        await asyncio.shield(self.task)

    def _abandon(self) -> None:
        """Continue without a caller. Further response messages are dropped."""
        self._has_caller = False
        if not self.task.done():
            self.task.add_done_callback(self._on_abandoned)
        while self._messages is not None and not self._messages.empty():
            self._messages.get_nowait()

    async def _hand_over(self, messages: asyncio.Queue[Message | None], message: Message | None) -> None:
        if self._has_caller:
            await messages.put(message)


def _read_exception(task: asyncio.Task[None]) -> None:
    """Mark the exception of a task as read, so that asyncio does not log the exception.

    DetachedCall.reply() or the stream raises the same exception for the caller.
    """
    if not task.cancelled():
        task.exception()
