"""HTTP/2 by hand: frames that no client library would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LIST = b"/yandex.cloud.baremetal.v1alpha.ImageService/List"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
REFUSED_STREAM = 7
CONTINUATION = 9
_FRAME = 16384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    values = {HEADER_TABLE_SIZE: 0} | (values or {})  # so that the server writes every field as it is
    pairs = b"".join(struct.pack(">HI", key, value) for key, value in values.items())
    return frame(SETTINGS, 0, 0, pairs)


def field(name: bytes, value: bytes) -> bytes:
    """A header field, literal and not indexed."""
    return b"\x00" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    """The length of a text, as an integer of HPACK with a prefix of seven bits."""
    rest = len(text) - 127
    if rest < 0:
        return bytes([len(text)])
    found = [127]
    while rest >= 128:
        found.append(rest % 128 + 128)
        rest //= 128
    return bytes([*found, rest])


STANDARD = ((b":authority", b"gateway"), (b"te", b"trailers"), (b"content-type", b"application/grpc"))
POST, GET = b"\x83", b"\x82"


def head(stream: int, path: bytes = LIST, further: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """The HEADERS of a gRPC call, without an end of its stream."""
    return head_of(stream, ((b":path", path), *STANDARD, *further))


def head_of(stream: int, fields: Sequence[tuple[bytes, bytes]], http_method: bytes = POST) -> bytes:
    """The HEADERS of a request with these fields."""
    block = http_method + b"\x86" + b"".join(field(name, value) for name, value in fields)
    first, rest = block[:_FRAME], block[_FRAME:]
    found = frame(HEADERS, 0 if rest else END_HEADERS, stream, first)
    while rest:
        part, rest = rest[:_FRAME], rest[_FRAME:]
        found += frame(CONTINUATION, 0 if rest else END_HEADERS, stream, part)
    return found


def message(stream: int, data: bytes, *, end: int = END_STREAM, is_compressed: bool = False) -> bytes:
    return frame(DATA, end, stream, bytes([is_compressed]) + struct.pack(">I", len(data)) + data)


class Peer:
    """A connection that says what it is told to, and keeps what it hears. It acknowledges pings."""

    acknowledges = True

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

    def ends(self, stream: int) -> bool:
        """Whether a stream has a status or is reset."""
        return any(one == stream for one, _ in self.kinds(RST_STREAM)) or any(
            one == stream and b"grpc-status" in payload for one, payload in self.kinds(HEADERS)
        )

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
                if head[3] == PING and not head[4] & ACK and self.acknowledges:
                    self.writer.write(frame(PING, ACK, 0, payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
