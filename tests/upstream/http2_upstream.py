"""An upstream that writes HTTP/2 frames by hand: faults that no gRPC server makes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.listeners.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    field,
    frame,
)

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What happens to a call that was read, by what is written for it."""

_OK = b"\x88" + field(b"content-type", b"application/grpc")
HEAD = frame(HEADERS, END_HEADERS, 1, _OK)
HEAD_WITH_METADATA = frame(HEADERS, END_HEADERS, 1, _OK + field(b"x-request-id", b"1"))


def end(status: bytes, text: bytes, *, has_head: bool = True) -> bytes:
    """The HEADERS that end a stream with a status and nothing else."""
    block = (b"" if has_head else _OK) + field(b"grpc-status", status) + field(b"grpc-message", text)
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, block)


def reset_stream(code: int) -> bytes:
    return frame(RST_STREAM, 0, 1, struct.pack(">I", code))


def goaway(code: int) -> bytes:
    """A GOAWAY that leaves out the call: the last stream that is served is 0."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", 0, code))


def http_status(digits: bytes) -> bytes:
    """The response of a proxy that knows no gRPC; the name of `:status` is the eighth of the static table."""
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x08" + bytes([len(digits)]) + digits)


def sending(data: bytes) -> Fault:
    """Send bytes, and nothing more."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return send


def closing(data: bytes = b"") -> Fault:
    """Send bytes and close the connection."""

    async def close(writer: asyncio.StreamWriter) -> None:
        await sending(data)(writer)
        writer.close()

    return close


def resetting(data: bytes = b"") -> Fault:
    """Send bytes, let them arrive, and reset the connection."""

    async def reset(writer: asyncio.StreamWriter) -> None:
        await sending(data)(writer)
        if data:
            await asyncio.sleep(0.1)  # a reset would overtake what has not been read
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return reset


@asynccontextmanager
async def upstream(fault: Fault) -> AsyncIterator[int]:
    """Serve on a port that is yielded: each call is read to its end before the fault."""
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        try:
            writer.write(frame(SETTINGS, 0, 0))
            await _read_call(reader, writer)
            await fault(writer)
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del connections[task]
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in connections.values():
            writer.transport.abort()
        if connections:
            await asyncio.wait(connections)


async def _read_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(len(PREFACE))
    while True:
        head = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == SETTINGS and not head[4] & ACK:
            writer.write(frame(SETTINGS, ACK, 0))
        if head[3] == DATA and head[4] & END_STREAM:
            return
