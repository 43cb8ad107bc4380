"""Forwarded calls that change something. They continue even if the caller disconnects."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from types import coroutine
from typing import TYPE_CHECKING, Any

from gateway.call import Reply, ReplyStream
from gateway.upstream.detached_stream import DetachedStream, read_exception
from gateway.upstream.shielded import Shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

_log = logging.getLogger(__name__)


class DetachedCall:
    """Forwards a call. When the task of the caller is cancelled, a new task continues to forward the call.

    Hardly any caller disconnects, so the call is forwarded in the task of the caller until then. It would
    take as long to start a task for each call as to evaluate a policy. The coroutine that forwards the call
    is therefore moved from one task to another. So it must not depend on its task: it must not use
    asyncio.timeout() or asyncio.current_task().
    """

    def __init__(
        self,
        forwarding: Coroutine[Any, Any, Reply | ReplyStream],
        on_abandoned: Callable[[asyncio.Task[None]], None],
        on_end: Callable[[Reply | ReplyStream | None, BaseException | None], None] | None = None,
    ) -> None:
        """Initialize the call. It is started by reply().

        Args:
            forwarding: the coroutine that forwards the call.
            on_abandoned: a function that is called when the caller has disconnected, with the task that
                continues. If the call fails, the task raises the error of the call.
            on_end: a function that is called once when the forwarded call has ended: with the reply, or with
                the exception that ended the call.
        """
        self._forwarding = forwarding
        self._on_abandoned = on_abandoned
        self._on_end = on_end
        self._is_abandoned = False

    async def reply(self) -> Reply | ReplyStream:
        """Forward the call, and return the reply.

        Raises:
            GatewayError: the error that the forwarder raised.
            asyncio.CancelledError: the task of the caller was cancelled. The call continues.
        """
        try:
            reply = await self._forward()
        except BaseException as error:
            if not self._is_abandoned:
                self._end(None, error)
            raise
        if isinstance(reply, Reply):
            self._end(reply, None)
            return reply
        return DetachedStream(reply, self._on_abandoned, self._end).to_reply()

    @coroutine
    def _forward(self) -> Generator[Any, None, Reply | ReplyStream]:
        """Run the coroutine in the present task, until it ends or the task is cancelled."""
        forwarding = self._forwarding
        while True:
            try:
                # The result is the future for which the coroutine waits. It is None for asyncio.sleep(0).
                future = forwarding.send(None)
            except StopIteration as end:
                reply: Reply | ReplyStream = end.value
                return reply
            try:
                yield None if future is None else Shielded(future)
            except asyncio.CancelledError:
                if future is None or not future.cancelled():
                    self._abandon(future)
                    raise
            except Exception:  # noqa: BLE001, S110 - the coroutine itself asks the future for its result
                pass

    def _abandon(self, future: asyncio.Future[Any] | None) -> None:
        """Continue in a task of its own.

        Args:
            future: the future for which the coroutine waits.
        """
        self._is_abandoned = True
        task = asyncio.get_running_loop().create_task(self._forward_alone(future))
        task.add_done_callback(read_exception)
        self._on_abandoned(task)

    async def _forward_alone(self, future: asyncio.Future[Any] | None) -> None:
        try:
            reply = await _resume(self._forwarding, future)
            if isinstance(reply, ReplyStream):
                async with aclosing(reply):
                    async for _ in reply:
                        pass
        except BaseException as error:
            self._end(None, error)
            raise
        self._end(reply, None)

    def _end(self, reply: Reply | ReplyStream | None, error: BaseException | None) -> None:
        if self._on_end is None:
            return
        try:
            self._on_end(reply, error)
        except Exception:  # noqa: BLE001 - the caller must get the response all the same
            _log.exception("the end of a forwarded call was not recorded")


@coroutine
def _resume(
    forwarding: Coroutine[Any, Any, Reply | ReplyStream], future: asyncio.Future[Any] | None
) -> Generator[Any, None, Reply | ReplyStream]:
    """Run a coroutine to its end. It waits for a future, and asks it for its result itself."""
    if future is not None and not future.done():
        future._asyncio_future_blocking = True  # noqa: SLF001 - as `await` sets it
        with suppress(Exception, asyncio.CancelledError):
            yield future
    reply: Reply | ReplyStream = yield from forwarding
    return reply
