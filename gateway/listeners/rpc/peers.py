"""The limit on the number of gRPC connections from each address.

The gRPC library limits the total number of connections, but not the number of connections from one address.
The gRPC library has no Python function that closes a connection. But the sockets of the connections are file
descriptors of this process. This module finds a socket by its local port, and shuts the socket down through
a duplicate of the file descriptor. Then the gRPC library behaves as if the peer had closed the connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.addresses import address_key, parse_host
from gateway.listeners.packet_filters import accept_data, drop_data, drop_new_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from gateway.config import Address

_log = logging.getLogger(__name__)

_FOLDER = "/dev/fd"
INTERVAL_S = 1.0
"""The number of seconds between two checks. During this time, an address may exceed the limit."""


@dataclass(frozen=True, slots=True)
class _Peer:
    inode: int
    host: str
    port: int
    is_ours: bool


class PeerConnections:
    """The gRPC connections of one listener."""

    def __init__(self, listen: Address, per_address: int) -> None:
        """Initialize the object without known connections.

        Args:
            listen: the address of the listener.
            per_address: the maximum number of connections from one address.
        """
        self._listen = listen
        self._per_address = per_address
        self._known: dict[int, _Peer] = {}  # file descriptor → peer, in the order of discovery

    async def watch(self, interval_s: float = INTERVAL_S) -> None:
        """Enforce the limit at regular intervals. This coroutine runs until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                self.enforce()
            except OSError as error:
                _log.warning("gRPC connections cannot be listed", extra={"reason": error.strerror})

    def enforce(self) -> int:
        """Close the newest connections of each address that has too many connections.

        Return the number of closed connections.
        """
        self._update()
        peers: defaultdict[str, list[int]] = defaultdict(list)
        for descriptor, peer in self._known.items():
            if peer.is_ours:
                peers[address_key(peer.host)].append(descriptor)
        closed = 0
        for address, descriptors in peers.items():
            excess = descriptors[self._per_address :]
            for descriptor in excess:
                _shut_down(descriptor, self._known.pop(descriptor).inode)
            if excess:
                fields = {"listener": "grpc", "address": address, "closed": len(excess)}
                _log.warning("too many connections of one address", extra=fields)
            closed += len(excess)
        return closed

    def close(self, host: str, port: int) -> None:
        """Close the connection of the peer that has this host and port, if the connection is open."""
        self._update()
        for descriptor, peer in self._known.items():
            if peer.is_ours and (peer.host, peer.port) == (host, port):
                _shut_down(descriptor, peer.inode)

    def close_others(self, peers: Collection[tuple[str, int]]) -> None:
        """Close every connection except the connections of the given peers."""
        self._update()
        for descriptor, peer in self._known.items():
            if peer.is_ours and (peer.host, peer.port) not in peers:
                _shut_down(descriptor, peer.inode)

    def hold(self) -> None:
        """Ignore new connections and the data that arrives on the open ones.

        A client sends ignored data again. It is received if the connection is resumed.
        """
        self._update(on_listening=drop_new_connections)
        self._filter([number for number, peer in self._known.items() if peer.is_ours], drop_data)

    def resume(self, peers: Collection[tuple[str, int]]) -> None:
        """Receive data again on the connections of the given peers, also the data that was ignored."""
        chosen = [number for number, one in self._known.items() if (one.host, one.port) in peers]
        self._filter(chosen, accept_data)

    def _filter(self, descriptors: Iterable[int], change: Callable[[socket.socket], None]) -> None:
        for descriptor in descriptors:
            with suppress(OSError), _duplicate(descriptor) as one:  # an error: it is closed already
                if os.fstat(one.fileno()).st_ino == self._known[descriptor].inode:
                    change(one)

    def _update(self, on_listening: Callable[[socket.socket], None] | None = None) -> None:
        """Update the known connections.

        The number of a closed file descriptor may have been reused for another file. So the inodes are
        compared too.

        Args:
            on_listening: a function that is called with each listening socket of the listener.
        """
        found: dict[int, os.stat_result] = {}
        for name in os.listdir(_FOLDER):  # noqa: PTH208 - numbers, not paths
            try:
                found[int(name)] = os.fstat(int(name))
            except OSError:  # already closed, for example the file descriptor of the listing itself
                continue
        self._known = {
            number: peer
            for number, peer in self._known.items()
            if number in found and found[number].st_ino == peer.inode
        }
        for number, status in found.items():
            if number not in self._known and stat.S_ISSOCK(status.st_mode):
                peer = self._identify(number, status.st_ino, on_listening)
                if peer is not None:
                    self._known[number] = peer

    def _identify(
        self, descriptor: int, inode: int, on_listening: Callable[[socket.socket], None] | None
    ) -> _Peer | None:
        """Return the peer of a socket; None if the socket has no peer or is closed."""
        try:
            with _duplicate(descriptor) as one:
                if one.family not in {socket.AF_INET, socket.AF_INET6}:
                    return _Peer(inode, "", 0, is_ours=False)
                is_ours = self._is_ours(*one.getsockname()[:2])
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    if is_ours and on_listening is not None:
                        on_listening(one)
                    return None
                host, port = one.getpeername()[:2]
        except OSError:
            return None
        return _Peer(inode, str(parse_host(host) or host), port, is_ours)

    def _is_ours(self, host: str, port: int) -> bool:
        """Return whether a local address belongs to the listener.

        If the listener's host is a host name or a wildcard, every local address with the listener's port
        belongs to the listener.
        """
        if port != self._listen.port:
            return False
        listens_on = parse_host(self._listen.host)
        return listens_on is None or listens_on.is_unspecified or listens_on == parse_host(host)


@contextmanager
def _duplicate(descriptor: int) -> Iterator[socket.socket]:
    """Yield a socket for a duplicate of a file descriptor.

    A duplicate is used because the gRPC library may close the original file descriptor at any time.
    """
    one = socket.socket(fileno=os.dup(descriptor))
    try:
        yield one
    finally:
        one.close()


def _shut_down(descriptor: int, inode: int) -> None:
    try:
        with _duplicate(descriptor) as one:
            if os.fstat(one.fileno()).st_ino == inode:
                one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the connection is closed already
