"""The listening sockets of an HTTP listener."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Address

_BACKLOG = 1024


async def open_sockets(listen: Address) -> list[socket.socket]:
    """Return a listening socket for each address of a host.

    If the host is empty, the sockets listen on all interfaces.

    Raises:
        OSError: the address cannot be used.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    port = listen.port
    try:
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            opened = _open_socket(family)
            if opened is not None:
                sockets.append(opened)
                opened.bind((address[0], port, *address[2:]))
                opened.listen(_BACKLOG)
                port = opened.getsockname()[1]
    except OSError:
        for one in sockets:
            one.close()
        raise
    if not sockets:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return sockets


def _open_socket(family: int) -> socket.socket | None:
    """Return a socket of an address family; None if this system does not support the address family."""
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    one.setblocking(False)  # noqa: FBT003 - the socket's own form
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return one
