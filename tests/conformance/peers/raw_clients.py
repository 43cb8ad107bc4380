"""Clients of raw HTTP/1.1 and HTTP/2: they send what no library would."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import Address

LIMIT_S = 10

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_CANCEL = 8
_END_STREAM, _END_HEADERS = 1, 4


def fields_of(body: Any) -> list[str]:
    """Return the fields that a Status in JSON names."""
    return [
        violation["field"] for detail in body["details"] for violation in detail.get("fieldViolations", [])
    ]


def request_bytes(request: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """Return the bytes of a request; nothing is encoded, normalised or added but Host and the length."""
    head = [f"{request} HTTP/1.1", "Host: gateway", *(f"{name}: {value}" for name, value in headers)]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass
class Connection:
    """One HTTP/1.1 connection, kept open between requests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, address: Address) -> Connection:
        return cls(*await asyncio.open_connection(address.host, address.port))

    async def send(self, data: bytes) -> tuple[int, Any]:
        """Send a request; return the status of the answer with its JSON, None when it has none."""
        self.writer.write(data)
        async with asyncio.timeout(LIMIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            body = await self.reader.readexactly(length)
        return int(head.split(b" ")[1]), json.loads(body) if body else None

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    def abort(self) -> None:
        """Break the connection off: the peer sees a reset."""
        self.writer.transport.abort()


async def ask(address: Address, data: bytes) -> tuple[int, Any]:
    """Send one request on a connection of its own."""
    connection = await Connection.open(address)
    try:
        return await connection.send(data)
    finally:
        await connection.close()


@dataclass
class Http2:
    """One HTTP/2 connection, its headers written by hand, so that they may hold anything."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    last_stream: int = -1
    is_gone: bool = False
    heard: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    @classmethod
    async def open(cls, address: Address) -> Http2:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        # No table of headers, so that the server writes each name and value out.
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", 1, 0)))
        return cls(reader, writer)

    def call(self, path: bytes, message: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> int:
        """Begin a gRPC call; return its stream."""
        self.last_stream += 2
        pseudo = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"gateway")]
        block = b"".join(
            _literal(name, value)
            for name, value in [
                *pseudo,
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
                *headers,
            ]
        )
        data = b"\0" + struct.pack(">I", len(message)) + message
        self.writer.write(
            _frame(_HEADERS, _END_HEADERS, self.last_stream, block)
            + _frame(_DATA, _END_STREAM, self.last_stream, data)
        )
        return self.last_stream

    def reset(self, stream: int) -> None:
        """Cancel a call."""
        self.writer.write(_frame(_RST_STREAM, 0, stream, struct.pack(">I", _CANCEL)))

    async def receive(self, stream: int) -> bytes:
        """Return all that was answered on a stream, once it has ended or the connection has."""
        async with asyncio.timeout(LIMIT_S):
            while not self.is_gone and stream not in self.ended:
                await self._read_frame()
        return self.heard.get(stream, b"")

    async def _read_frame(self) -> None:
        try:
            head = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.is_gone = True
            return
        kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
        if kind == _SETTINGS and not flags:
            self.writer.write(_frame(_SETTINGS, 1, 0, b""))
        if kind == _GOAWAY:
            self.is_gone = True
        if kind in {_DATA, _HEADERS, _RST_STREAM}:
            self.heard[number] = self.heard.get(number, b"") + payload
        if kind == _RST_STREAM or (kind in {_DATA, _HEADERS} and flags & _END_STREAM):
            self.ended.add(number)

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def has_code(answer: bytes, code: int) -> bool:
    """Tell whether an answer's trailers have a gRPC status; the server writes it without compression."""
    text = str(code).encode()
    return b"grpc-status" + bytes([len(text)]) + text in answer


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header field without indexing and without Huffman's code, RFC 7541, 6.2.2."""
    return b"\0" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    """Return a length as a 7-bit prefix integer, RFC 7541, 5.1."""
    rest = len(text) - 127
    if rest < 0:
        return bytes([len(text)])
    found = b"\x7f"
    while rest >= 128:
        found += bytes([rest % 128 + 128])
        rest //= 128
    return found + bytes([rest])
