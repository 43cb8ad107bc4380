"""Unary calls on the core of gRPC's library.

The public classes of `grpc.aio` start a task, and make a call object and several metadata objects for each
call. All of this takes as long as the work of the core. The forwarder needs none of it: it awaits the call in
a task of its own, and passes on bytes. So the calls here use the core (`grpc._cython.cygrpc`) in the same way
as grpc.aio.UnaryUnaryCall does. Failed calls raise the same exceptions.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CANCELLED = "Locally cancelled by application!"  # as the library describes it


class UnaryResponse(NamedTuple):
    """The response to a unary call.

    Attributes:
        data: the serialized response message.
        metadata: the initial metadata, as pairs of a name and a value.
    """

    data: bytes
    metadata: tuple[tuple[str, str | bytes], ...]


def start_unary(channel: grpc.aio.Channel, path: bytes, timeout_s: float) -> Any:
    """Return a call of the core. It is sent by finish_unary().

    Args:
        channel: the channel.
        path: the path of the method.
        timeout_s: the time after which the call ends with DEADLINE_EXCEEDED, in seconds.
    """
    core: Any = channel
    return core._channel.call(path, time.time() + timeout_s, None, None, 0)  # noqa: SLF001 - see the module


async def finish_unary(call: Any, request: bytes, metadata: Mapping[str, str | bytes]) -> UnaryResponse:
    """Send a call, and return the response.

    If the task of the caller is cancelled, the call is cancelled.

    Args:
        call: a call of start_unary().
        request: the serialized request message.
        metadata: the metadata for the upstream.

    Raises:
        grpc.aio.AioRpcError: the call has failed.
        asyncio.CancelledError: the call or the task was cancelled.
    """
    try:
        data = await call.unary_unary(request, tuple(metadata.items()), None)
    except asyncio.CancelledError:
        cancel_call(call)
        raise
    if call.is_ok():
        return UnaryResponse(data, await call.initial_metadata())
    if call.is_locally_cancelled():
        raise asyncio.CancelledError
    raise await _to_error(call)


def cancel_call(call: Any) -> None:
    """Cancel a call that has not ended."""
    if not call.done():
        call.cancel(_CANCELLED)


async def _to_error(call: Any) -> grpc.aio.AioRpcError:
    status = await call.status()
    return grpc.aio.AioRpcError(
        _CODES[status.code()],
        grpc.aio.Metadata.from_tuple(await call.initial_metadata()),
        grpc.aio.Metadata.from_tuple(status.trailing_metadata()),
        status.details(),
        status.debug_error_string(),
    )
