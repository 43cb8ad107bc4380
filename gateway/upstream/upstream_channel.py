"""The channel to one upstream. It can be replaced while calls are active."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc.aio

from gateway.upstream.unary_calls import cancel_call, finish_unary, start_unary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway.schema import Method
    from gateway.upstream.unary_calls import UnaryResponse

    UnaryMethod: TypeAlias = Callable[[bytes, float, Mapping[str, str | bytes]], Awaitable[UnaryResponse]]

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

    def unary(self, method: Method) -> UnaryMethod:
        """Return a function that makes unary calls of a method. Neither requests nor responses are streams.

        The arguments are the serialized request, the timeout in seconds, and the metadata.
        """
        path = method.path.encode()

        async def call(
            request: bytes, timeout_s: float, metadata: Mapping[str, str | bytes]
        ) -> UnaryResponse:
            counted = self._current
            started = start_unary(counted.channel, path, timeout_s)
            counted.add(started)
            try:
                return await finish_unary(started, request, metadata)
            finally:
                counted.remove(started)

        return call

    def stream(self, method: Method, serialize: Callable[[Any], bytes]) -> Callable[..., Any]:
        """Return a function that starts calls of a method, with the arguments of a multi-callable of gRPC.

        Args:
            method: the method. Its responses are streams, its requests are not.
            serialize: a function that serializes a request message.
        """
        counted: _CountedChannel | None = None
        begin: Any = None

        def start(request: Any, *, timeout: float, metadata: Any) -> Any:
            nonlocal counted, begin
            if counted is not self._current:
                counted = self._current
                # No deserializer is set. With a deserializer, the gRPC library itself would log each
                # malformed response message, and would return nothing.
                begin = counted.channel.unary_stream(method.path, request_serializer=serialize)
            call = begin(request, timeout=timeout, metadata=metadata)
            counted.add(call)
            call.add_done_callback(counted.remove)
            return call

        return start

    async def close(self) -> None:
        """Close the channel, and all channels that it replaced. The active calls are cancelled."""
        for task in self._old.values():
            task.cancel()
        for one in (*self._old, self._current):
            await one.close()

    async def _drain(self, old: _CountedChannel) -> None:
        await old.wait_until_idle(DRAIN_S)
        await old.close()
        del self._old[old]


class _CountedChannel:
    """A channel and its active calls.

    The method `close` of a channel can wait for active calls too. But when this wait is cancelled, the
    channel stays open, and cannot be closed any more.
    """

    __slots__ = ("_active", "_idle", "channel")

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._active: set[Any] = set()
        self._idle: asyncio.Event | None = None  # exists while the channel drains

    def add(self, call: Any) -> None:
        self._active.add(call)

    def remove(self, call: Any) -> None:
        self._active.discard(call)
        if self._idle is not None and not self._active:
            self._idle.set()

    async def wait_until_idle(self, timeout_s: float) -> None:
        if self._active:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()

    async def close(self) -> None:
        """Cancel the active calls, and close the channel."""
        for call in tuple(self._active):
            if not isinstance(call, grpc.aio.Call):  # the library cancels its own calls
                cancel_call(call)
        await self.channel.close()
