"""The channel to one upstream. It can be replaced while calls are active."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc.aio

    from gateway.schema import Method

DRAIN_S = 3600.0
"""The maximum time for the active calls of a replaced channel, in seconds.

All calls have deadlines, which are earlier.
"""


class UpstreamChannel:
    """The channel to one upstream.

    The credentials of a channel cannot change. So when files have changed, new calls use a new channel, and
    the old channel is closed when its last call has ended.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._current = _CountedChannel(channel)
        self._old: dict[_CountedChannel, asyncio.Task[None]] = {}

    @property
    def current(self) -> grpc.aio.Channel:
        """The channel for new calls."""
        return self._current.channel

    def replace(self, channel: grpc.aio.Channel) -> None:
        """Use another channel for new calls. The active calls of the old channel continue."""
        old, self._current = self._current, _CountedChannel(channel)
        self._old[old] = asyncio.get_running_loop().create_task(self._drain(old))

    def method(self, method: Method, serialize: Callable[[Any], bytes]) -> Callable[..., Any]:
        """Return a function that starts calls of a method, with the arguments of a multi-callable of gRPC.

        Args:
            method: the method. Requests of this method are not streams.
            serialize: a function that serializes a request message.
        """
        counted: _CountedChannel | None = None
        begin: Any = None

        def start(request: Any, *, timeout: float, metadata: Any) -> Any:
            nonlocal counted, begin
            if counted is not self._current:
                counted = self._current
                begin = _multi_callable(counted.channel, method, serialize)
            return counted.count(begin(request, timeout=timeout, metadata=metadata))

        return start

    async def close(self) -> None:
        """Close the channel, and all channels that it replaced. The active calls are cancelled."""
        for task in self._old.values():
            task.cancel()
        for one in (*self._old, self._current):
            await one.channel.close()

    async def _drain(self, old: _CountedChannel) -> None:
        await old.wait_until_idle(DRAIN_S)
        await old.channel.close()
        del self._old[old]


class _CountedChannel:
    """A channel, and the number of its active calls.

    The method `close` of a channel can wait for active calls too. But when this wait is cancelled, the
    channel stays open, and cannot be closed any more.
    """

    __slots__ = ("_active", "_idle", "channel")

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._active = 0
        self._idle: asyncio.Event | None = None  # exists while the channel drains

    def count(self, call: Any) -> Any:
        self._active += 1
        call.add_done_callback(self._end)
        return call

    def _end(self, _call: Any) -> None:
        self._active -= 1
        if self._idle is not None and not self._active:
            self._idle.set()

    async def wait_until_idle(self, timeout_s: float) -> None:
        if self._active:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()


def _multi_callable(channel: grpc.aio.Channel, method: Method, serialize: Callable[[Any], bytes]) -> Any:
    make: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
    # No deserializer is set. With a deserializer, the gRPC library itself would log each malformed response
    # message, and would return nothing.
    return make(method.path, request_serializer=serialize)
