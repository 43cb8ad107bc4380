"""The acceptor of an HTTP listener. It accepts connections, and limits the number of connections."""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gateway.addresses import address_key
from gateway.listeners.http.listening_sockets import open_sockets
from gateway.listeners.packet_filters import drop_new_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from gateway.config import Address
    from gateway.tls import ServerTls

_log = logging.getLogger(__name__)

_PAUSE_S = 0.1
"""The number of seconds to wait after a connection could not be accepted."""
_LAST_ACCEPTS_S = 0.05
"""The number of seconds in which the last handshakes of TCP end before a listening socket is closed."""
_REPORT_S = 10.0
"""The minimum number of seconds between two log lines about refused connections."""


class Connection(asyncio.BaseProtocol, ABC):
    """The asyncio protocol object of one connection."""

    __slots__ = ()

    @property
    @abstractmethod
    def idle_since(self) -> float | None:
        """The time of the event loop's clock when the connection became idle; None during a request."""

    @abstractmethod
    def abort(self) -> None:
        """Close the connection at once. Data that is not sent yet is lost."""


class Bounds(Protocol):
    """The maximum numbers of open connections."""

    @property
    def max_connections(self) -> int:
        """The maximum number of open connections of the listener."""
        ...

    @property
    def max_connections_per_address(self) -> int:
        """The maximum number of open connections from one address."""
        ...


@dataclass(frozen=True, slots=True)
class _Registration:
    """The address under which a connection is counted, and the task that opens the connection."""

    key: str
    opening: asyncio.Task[None]


class Acceptor:
    """Accepts connections at one address.

    If a connection limit is reached, a new connection replaces the connection that has been idle longest. If
    no connection is idle, the new connection is refused.
    """

    def __init__(
        self,
        name: str,
        bounds: Bounds,
        make_connection: Callable[[Callable[[Connection], None]], Connection],
        make_refusal: Callable[[], bytes],
        tls: ServerTls | None,
        handshake_s: float,
    ) -> None:
        """Initialize the acceptor.

        Args:
            name: the name of the listener in log lines.
            bounds: the connection limits.
            make_connection: a function that returns the protocol object of a new connection. The argument
                of the function is a callback. The protocol object calls it when the connection is lost.
            make_refusal: a function that returns the response for a refused connection. With TLS, no response
                is sent.
            tls: TLS of the listener; None for plaintext.
            handshake_s: the maximum duration of a TLS handshake, in seconds.
        """
        self._name = name
        self._bounds = bounds
        self._make_connection = make_connection
        self._make_refusal = make_refusal
        self._tls = tls
        self._handshake_s = handshake_s
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[Connection, _Registration] = {}
        self._counts: Counter[str] = Counter()
        self._closed = asyncio.Event()  # set each time a connection is closed
        self._refused = 0
        self._reported = float("-inf")

    async def start(self, listen: Address) -> int:
        """Start to listen, and return the port.

        Raises:
            OSError: the address cannot be used.
        """
        self._sockets = await open_sockets(listen)
        self._accepting = [asyncio.ensure_future(self._accept(one)) for one in self._sockets]
        return int(self._sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accept the connections that clients have opened already, and stop listening.

        Open connections stay open, and TLS handshakes continue.
        """
        if self._sockets:
            for one in self._sockets:
                drop_new_connections(one)
            await asyncio.sleep(_LAST_ACCEPTS_S)
        await _cancel(self._accepting)
        for one in self._sockets:
            one.close()
        self._sockets.clear()

    async def end_idle(self, timeout_s: float) -> None:
        """Wait until no connection is idle, because each has had one more request or was closed by its peer.

        A client may send a request while an idle connection is closed. Such a request would be lost. So the
        connections stay open for a while, and the response to the next request asks the client to close.

        Args:
            timeout_s: the maximum duration, in seconds. TLS handshakes that take longer are cancelled.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while any(one.idle_since is not None for one in self._open):
                    self._closed.clear()
                    await self._closed.wait()
        await _cancel(self._tasks)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError as error:  # no file descriptor is left, or the peer has closed the connection
                _log.warning(
                    "connection not accepted", extra={"listener": self._name, "reason": error.strerror}
                )
                await asyncio.sleep(_PAUSE_S)
                continue
            key = address_key(str(peer[0]))
            if self._has_place(key):
                self._admit(accepted, key)
            else:
                self._refuse(accepted, key)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _admit(self, accepted: socket.socket, key: str) -> None:
        connection = self._make_connection(self._forget)
        self._counts[key] += 1
        self._open[connection] = _Registration(key, self._start(self._serve(accepted, connection)))

    async def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        """Connect an accepted socket to its protocol object. With TLS, this step includes the handshake."""
        loop = asyncio.get_running_loop()
        context = self._tls.context if self._tls else None  # the context of the files in force
        timeout_s = self._handshake_s if context else None
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=context, ssl_handshake_timeout=timeout_s
            )
        except (OSError, asyncio.CancelledError) as error:
            self._forget(connection)
            accepted.close()
            if isinstance(error, asyncio.CancelledError):
                raise

    def _has_place(self, key: str) -> bool:
        """Return whether one more connection is allowed. If necessary, an idle connection is closed."""
        if self._counts[key] >= self._bounds.max_connections_per_address:
            return self._close_idle(key)
        return len(self._open) < self._bounds.max_connections or self._close_idle(None)

    def _close_idle(self, key: str | None) -> bool:
        """Close the connection that has been idle longest, and return True.

        If no connection is idle, return False.

        Args:
            key: the key of the address whose connections may be closed; None for all addresses.
        """
        idle = [
            (since, connection)
            for connection, place in self._open.items()
            if key in {None, place.key} and (since := connection.idle_since) is not None
        ]
        if not idle:
            return False
        _, connection = min(idle, key=lambda one: one[0])
        self._open[connection].opening.cancel()  # has no effect if the connection is already open
        self._forget(connection)
        connection.abort()
        return True

    def _forget(self, connection: Connection) -> None:
        place = self._open.pop(connection, None)
        if place is None:
            return
        self._closed.set()
        self._counts[place.key] -= 1
        if not self._counts[place.key]:
            del self._counts[place.key]

    def _refuse(self, accepted: socket.socket, key: str) -> None:
        try:
            if self._tls is None:
                accepted.send(self._make_refusal())
                accepted.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the connection is closed even if the refusal cannot be sent
        finally:
            accepted.close()
        if not self._counts[key]:
            del self._counts[key]  # a Counter would keep the key with the count 0
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._reported >= _REPORT_S:
            self._reported = now
            fields = {"listener": self._name, "address": key, "refused": self._refused}
            _log.warning("too many connections: refused", extra=fields)
            self._refused = 0


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(list(tasks))
