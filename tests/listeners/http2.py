"""HTTP/2 by hand: frames that no client library would send."""

from __future__ import annotations

import asyncio
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LIST = b"/yandex.cloud.baremetal.v1alpha.ImageService/List"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
REFUSED_STREAM = 7


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    values = {HEADER_TABLE_SIZE: 0} | (values or {})  # so that the server writes every field as it is
    pairs = b"".join(struct.pack(">HI", key, value) for key, value in values.items())
    return frame(SETTINGS, 0, 0, pairs)


def field(name: bytes, value: bytes) -> bytes:
    """A header field, literal and not indexed; both texts are short."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(stream: int, path: bytes = LIST) -> bytes:
    """The HEADERS of a gRPC call, without an end of its stream."""
    block = b"\x83\x86" + field(b":path", path) + field(b":authority", b"gateway")
    block += field(b"te", b"trailers") + field(b"content-type", b"application/grpc")
    return frame(HEADERS, END_HEADERS, stream, block)


def message(stream: int, data: bytes) -> bytes:
    return frame(DATA, END_STREAM, stream, b"\0" + struct.pack(">I", len(data)) + data)


class Peer:
    """A connection that says what it is told to, and keeps what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.frames: list[tuple[int, int, bytes]] = []
        self.closed = asyncio.Event()
        self._reader = reader
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, address: object, values: dict[int, int] | None = None) -> Peer:
        host, _, port = str(address).rpartition(":")
        peer = cls(*await asyncio.open_connection(host, int(port)))
        peer.writer.write(PREFACE + settings(values) + frame(SETTINGS, ACK, 0))
        return peer

    async def close(self) -> None:
        self.writer.close()
        self._task.cancel()
        await asyncio.wait([self._task])

    def kinds(self, kind: int) -> list[tuple[int, bytes]]:
        return [(stream, payload) for one, stream, payload in self.frames if one == kind]

    def statuses(self) -> list[str]:
        """The grpc-status of each stream that has one; the server writes them literally."""
        found = []
        for _, payload in self.kinds(HEADERS):
            name, _, rest = payload.partition(b"grpc-status")
            if rest and name is not payload:
                found.append(rest[1 : 1 + rest[0]].decode())
        return found

    async def wait(self, condition: object) -> None:
        async with asyncio.timeout(20):
            while not condition():  # type: ignore[operator]
                await asyncio.sleep(0.02)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                self.frames.append((head[3], int.from_bytes(head[5:9], "big"), payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
