"""The load generator: connections that send the next call once the last one has its response."""

from __future__ import annotations

import asyncio
import gc
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from bench.http2 import (
    END_HEADERS,
    HEADERS,
    PREFACE,
    Connection,
    frame,
    literal,
    pack_message,
)

if TYPE_CHECKING:
    from bench.workloads import Workload

_DRAIN_S = 30.0


@dataclass(slots=True)
class Slice:
    """What a slice of load has measured.

    Attributes:
        latencies_ms: of each call.
        failures: what responses said that were not as expected.
        seconds: from the first call to the end of the last.
    """

    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Loop(ABC):
    """The calls of one connection: each begins when the one before has ended, until the time is over."""

    def __init__(self) -> None:
        self._slice = Slice()
        self._until = 0.0
        self._started = 0.0
        self._ended: asyncio.Future[None] | None = None

    def begin(self, result: Slice, until: float) -> asyncio.Future[None]:
        """Start; the future is done when the last call has ended."""
        self._slice, self._until = result, until
        self._ended = asyncio.get_running_loop().create_future()
        self._next()
        return self._ended

    @abstractmethod
    def send_call(self) -> None:
        """Send one call."""

    def end_call(self, failure: str) -> None:
        """Note the end of the call; go on or end."""
        now = time.perf_counter()
        self._slice.latencies_ms.append((now - self._started) * 1e3)
        if failure:
            self._slice.failures.append(failure)
        if now < self._until and not failure:
            self._next()
        elif self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def break_off(self) -> None:
        """End because the connection was lost."""
        if self._ended is not None and not self._ended.done():
            self._slice.failures.append("the connection was closed")
            self._ended.set_result(None)

    def _next(self) -> None:
        self._started = time.perf_counter()
        self.send_call()


class HttpLoop(Loop, asyncio.Protocol):
    """Calls over HTTP/1.1."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self._request = workload.request
        self._status = str(workload.status).encode()
        self._input = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are no subclasses of asyncio.Transport.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End."""
        self.break_off()

    def send_call(self) -> None:
        """Send the request."""
        assert self.transport is not None
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read a response, which names its length."""
        data = self._input + data if self._input else data
        head, separator, body = data.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            self._input = data
            return
        self._input = b""
        self.end_call("" if head[9:12] == self._status else data.decode(errors="replace"))


class GrpcLoop(Loop, Connection):
    """Calls over gRPC. A response with a message is a success."""

    def __init__(self, workload: Workload) -> None:
        Loop.__init__(self)
        Connection.__init__(self)
        self._message = pack_message(workload.request)
        self._headers = (
            b"\x83\x86"
            + literal(4, workload.grpc_path.encode())
            + literal(1, b"gateway.example")
            + literal(31, b"application/grpc")
            + literal(b"te", b"trailers")
            + literal(58, b"bench/1")
            + literal(b"authorization", b"Bearer t1.example")
        )
        self._stream = -1
        self._has_message = False

    @property
    def transport(self) -> asyncio.Transport | None:
        """Return the transport."""
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface."""
        self.send(PREFACE)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End."""
        self.break_off()

    def send_call(self) -> None:
        """Send the request on a new stream."""
        self._stream += 2
        self._has_message = False
        head = frame(HEADERS, END_HEADERS, self._stream, self._headers)
        self.send_message(self._stream, head, self._message)
        self.flush()

    def handle_data(self, stream: int, payload: bytes) -> None:  # noqa: ARG002 - only one stream is open
        """Note that there is a message."""
        self._has_message = self._has_message or bool(payload)

    def handle_end(self, stream: int, payload: bytes | None) -> None:
        """End the call."""
        self.handle_data(stream, payload or b"")
        self.end_call("" if self._has_message else "a gRPC response without a message")


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


class Connections:
    """Open connections that send one kind of call."""

    def __init__(self, loops: list[HttpLoop | GrpcLoop]) -> None:
        self._loops = loops

    async def run(self, seconds: float) -> Slice:
        """Send calls for so long, and return what was measured."""
        result = Slice()
        gc.disable()  # a pause of the generator would count as one of the server
        try:
            started = time.perf_counter()
            ends = [one.begin(result, started + seconds) for one in self._loops]
            await asyncio.wait(ends, timeout=seconds + _DRAIN_S)
            result.seconds = time.perf_counter() - started
        finally:
            gc.enable()
        if not all(one.done() for one in ends):
            result.failures.append("a call has no response")
        return result

    def close(self) -> None:
        """Close them."""
        for one in self._loops:
            if one.transport is not None:
                one.transport.close()


async def connect(workload: Workload, address: str, count: int) -> Connections:
    """Open connections."""
    loop = asyncio.get_running_loop()
    host, port = address.split(":")
    kind = GrpcLoop if workload.grpc_path else HttpLoop
    opening = [loop.create_connection(lambda: kind(workload), host, int(port)) for _ in range(count)]
    return Connections([protocol for _, protocol in await asyncio.gather(*opening)])
