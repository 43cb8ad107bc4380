"""The channel to one upstream. It can be replaced while calls are active."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc.aio

    from gateway.schema import Method

DRAIN_S = 3600.0
"""The maximum time for the active calls of a replaced channel, in seconds.

Calls have deadlines, so that they end earlier.
"""


class UpstreamChannel:
    """The channel to one upstream.

    The credentials of a channel cannot change. So when files have changed, new calls use a new channel, and
    the old channel is closed when its last call has ended.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.current = channel
        self._closing: set[asyncio.Task[None]] = set()

    def replace(self, channel: grpc.aio.Channel) -> None:
        """Use another channel for new calls. The active calls of the old channel continue."""
        old, self.current = self.current, channel
        task = asyncio.get_running_loop().create_task(old.close(DRAIN_S))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def method(self, method: Method, serialize: Callable[[Any], bytes]) -> Callable[..., Any]:
        """Return a function that starts calls of a method, with the arguments of a multi-callable of gRPC.

        Args:
            method: the method. Requests of this method are not streams.
            serialize: a function that serializes a request message.
        """
        return _MethodCaller(self, method, serialize).start

    async def close(self) -> None:
        """Close the channel, and all channels that it replaced. The active calls are cancelled."""
        for task in self._closing:
            task.cancel()
        if self._closing:
            await asyncio.wait(self._closing)
        await self.current.close()


class _MethodCaller:
    """Starts calls of one method on the current channel."""

    __slots__ = ("_channel", "_method", "_serialize", "_start", "_upstream")

    def __init__(self, upstream: UpstreamChannel, method: Method, serialize: Callable[[Any], bytes]) -> None:
        self._upstream = upstream
        self._method = method
        self._serialize = serialize
        self._channel: grpc.aio.Channel | None = None
        self._start: Any = None

    def start(self, request: Any, *, timeout: float, metadata: Any) -> Any:
        """Start a call."""
        channel = self._upstream.current
        if channel is not self._channel:
            make: Any = channel.unary_stream if self._method.server_streaming else channel.unary_unary
            # No deserializer is set. With a deserializer, the gRPC library itself would log each malformed
            # response message, and would return nothing.
            self._start = make(self._method.path, request_serializer=self._serialize)
            self._channel = channel
        return self._start(request, timeout=timeout, metadata=metadata)
