"""A TCP proxy between a gateway and its upstream, which breaks connections to order.

The proxy reads the upstream's HTTP/2 frames, because only a HEADERS or DATA frame belongs to a response.
Other frames do not show that the upstream has acted.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import Enum, auto
from typing import Self

from tests.listeners.http2 import DATA, HEADERS

_LINGER = struct.pack("ii", 1, 0)  # so that a close is a reset


class _Mode(Enum):
    PASS = auto()
    HANG = auto()
    CUT = auto()


class BreakingProxy:
    """Forwards connections to an upstream on loopback until it is told otherwise.

    Attributes:
        upstream: where it forwards to, as `host:port`; set before the first connection.
        address: where it listens, as `host:port`.
        cuts: how many connections were reset because the upstream responded.
    """

    def __init__(self) -> None:
        self.upstream = ""
        # It keeps the port while nothing listens, so connections to the port are refused.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self._port = self._holder.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.cuts = 0
        self._mode = _Mode.PASS
        self._cuts_left: int | None = None
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def refuse(self) -> None:
        """Refuse new connections, and reset all others."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.reset()

    def hang(self) -> None:
        """Accept connections, and forward nothing any more."""
        self._mode = _Mode.HANG
        self._passing.clear()

    def reset(self) -> None:
        """Reset all connections now. New ones are treated as before."""
        for writers in self._connections.values():
            for writer in writers:
                _reset(writer)

    def cut_replies(self, times: int | None = None) -> None:
        """Forward requests, and reset a connection as soon as the upstream responds on it.

        Args:
            times: the number of connections to reset before everything is forwarded again; None: no limit.
        """
        self._mode, self._cuts_left = _Mode.CUT, times
        self._passing.set()

    async def restore(self) -> None:
        """Forward everything again."""
        self._mode = _Mode.PASS
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self._port, reuse_address=True
            )

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        self._holder.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        writers = self._connections[task] = [writer]
        try:
            host, _, port = self.upstream.rpartition(":")
            reader_up, writer_up = await asyncio.open_connection(host, int(port))
            writers.append(writer_up)
            await self._forward(reader, writer, reader_up, writer_up)
        except (ConnectionError, asyncio.CancelledError):
            pass  # of a task that asyncio started, which logs what it raises
        finally:
            for one in writers:
                _reset(one)
            del self._connections[task]

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        reader_up: asyncio.StreamReader,
        writer_up: asyncio.StreamWriter,
    ) -> None:
        """Forward both directions until one of them ends."""
        directions = [
            asyncio.ensure_future(self._forward_requests(reader, writer_up)),
            asyncio.ensure_future(self._forward_replies(reader_up, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in directions:
                one.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _forward_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()

    async def _forward_replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            await self._passing.wait()
            if self._mode is _Mode.CUT and head[3] in {HEADERS, DATA}:
                self._note_cut()
                return
            writer.write(head + payload)
            await writer.drain()

    def _note_cut(self) -> None:
        self.cuts += 1
        if self._cuts_left is not None:
            self._cuts_left -= 1
            if self._cuts_left == 0:
                self._mode = _Mode.PASS


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()
