"""The part of HTTP/2 that unary gRPC calls without errors need, for the processes beside what is measured.

The upstream, the collector, the policy server and the load generator must cost little, or they would
bound what is measured. So no header is decoded: a server knows its one method, and a client only looks
whether a response has a message. Not for use outside of the benchmarks.
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS, PADDED = 4, 8

_HEAD_BYTES = 9
_INITIAL_WINDOW = 4  # the setting
_DEFAULT_WINDOW = 65535
_LARGE_WINDOW = 1 << 30
_REFILL = 1 << 24
_MAX_FRAME = 16384
_NIBBLE = 0x0F  # what four bits can hold; a larger index continues in a further byte

OPENING = (
    struct.pack(">I", 6)[1:]
    + struct.pack(">BBIHI", SETTINGS, 0, 0, _INITIAL_WINDOW, _LARGE_WINDOW)
    + struct.pack(">I", 4)[1:]
    + struct.pack(">BBII", WINDOW_UPDATE, 0, 0, _LARGE_WINDOW)
)
"""The first frames of either side: windows that do not run out."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes | int, value: bytes) -> bytes:
    """Return a header that enters no table (RFC 7541, 6.2.2).

    Args:
        name: or its index in the static table.
        value: shorter than 127 bytes.
    """
    if isinstance(name, bytes):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
    index = bytes([name]) if name < _NIBBLE else bytes([_NIBBLE, name - _NIBBLE])
    return index + bytes([len(value)]) + value


def pack_message(message: bytes) -> bytes:
    """Return a message with the prefix of gRPC."""
    return struct.pack(">BI", 0, len(message)) + message


class Connection(asyncio.Protocol, ABC):
    """One connection. It keeps to the window of the peer, and writes once for all that it has read."""

    def __init__(self) -> None:
        self._input = b""
        self._output: list[bytes] = []
        self._window = _DEFAULT_WINDOW
        self._blocked: deque[tuple[int, bytes]] = deque()
        self._received = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first frames."""
        # uvloop's transports are no subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        self._output.append(OPENING)
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Handle every whole frame."""
        for kind, flags, stream, payload in self._frames(data):
            self._handle(kind, flags, stream, payload)
        if self._received > _REFILL:
            self._output.append(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        self.flush()

    def send(self, data: bytes) -> None:
        """Send frames that need no window."""
        self._output.append(data)

    def send_message(self, stream: int, before: bytes, message: bytes, after: bytes = b"") -> None:
        """Send a message in frames of its own, once the window of the connection has room for it.

        Args:
            stream: of the message, whose own window is larger than any message here.
            before: the frames before it.
            message: packed; shorter than a frame can be.
            after: the frames after it; without them the message ends the stream.
        """
        assert len(message) <= _MAX_FRAME
        self._blocked.append((len(message), before + frame(DATA, 0 if after else 1, stream, message) + after))
        self._send_blocked()

    def flush(self) -> None:
        """Write what is to be sent."""
        if self._output and self._transport is not None:
            self._transport.write(b"".join(self._output))
            self._output.clear()

    @abstractmethod
    def handle_end(self, stream: int, payload: bytes | None) -> None:
        """Handle the end of a stream from the peer; `payload` is the packed message, None without one."""

    @abstractmethod
    def handle_data(self, stream: int, payload: bytes) -> None:
        """Handle a part of a message that does not end its stream."""

    def _frames(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        data = self._input + data if self._input else data
        at, end = 0, len(data)
        while end - at >= _HEAD_BYTES:
            size = int.from_bytes(data[at : at + 3], "big")
            start = at + _HEAD_BYTES
            if end - start < size:
                break
            stream = int.from_bytes(data[at + 5 : start], "big")
            yield data[at + 3], data[at + 4], stream, data[start : start + size]
            at = start + size
        self._input = data[at:]

    def _handle(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._received += len(payload)
            body = payload[1 : len(payload) - payload[0]] if flags & PADDED else payload
            if flags & END_STREAM:
                self.handle_end(stream, body)
            else:
                self.handle_data(stream, body)
        elif kind == HEADERS:
            if flags & END_STREAM:
                self.handle_end(stream, None)
        elif kind == WINDOW_UPDATE:
            if stream == 0:
                self._window += int.from_bytes(payload, "big")
                self._send_blocked()
        elif kind == PING and not flags & ACK:
            self._output.append(frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self._output.append(frame(SETTINGS, ACK, 0))

    def _send_blocked(self) -> None:
        while self._blocked and self._blocked[0][0] <= self._window:
            size, data = self._blocked.popleft()
            self._window -= size
            self._output.append(data)


class GrpcServer(Connection):
    """A connection to a server of one unary method, or of several that a message tells apart."""

    _HEAD = b"\x88" + literal(31, b"application/grpc")
    _TRAILERS = literal(b"grpc-status", b"0")

    def __init__(self, respond: Callable[[bytes], bytes]) -> None:
        """Prepare.

        Args:
            respond: request message → response message.
        """
        super().__init__()
        self._respond = respond
        self._parts: dict[int, bytes] = {}
        self._is_started = False

    def data_received(self, data: bytes) -> None:
        """Skip the preface of the client."""
        if not self._is_started:
            data = self._input + data
            self._input = b""
            if len(data) < len(PREFACE):
                self._input = data
                return
            self._is_started = True
            data = data[len(PREFACE) :]
        super().data_received(data)

    def handle_data(self, stream: int, payload: bytes) -> None:
        """Keep a part of a request."""
        self._parts[stream] = self._parts.get(stream, b"") + payload

    def handle_end(self, stream: int, payload: bytes | None) -> None:
        """Respond."""
        request = self._parts.pop(stream, b"") + (payload or b"")
        response = pack_message(self._respond(request[5:]))
        self.send_message(
            stream,
            frame(HEADERS, END_HEADERS, stream, self._HEAD),
            response,
            frame(HEADERS, END_HEADERS | END_STREAM, stream, self._TRAILERS),
        )
