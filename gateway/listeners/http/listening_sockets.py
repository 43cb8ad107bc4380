"""The listening sockets of an HTTP listener."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Address

_BACKLOG = 1024
_SO_ATTACH_FILTER = 26  # from <asm-generic/socket.h>; the module socket does not have it
# A classic BPF program (linux/filter.h), as (code, jump if true, jump if false, operand). It drops each
# packet that asks for a new connection (SYN without ACK), and passes all others. A packet starts with its TCP
# header.
_DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the byte of the TCP flags
    (0x54, 0, 0, 0x12),  # keep SYN (0x02) and ACK (0x10)
    (0x15, 0, 1, 0x02),  # if only SYN is set
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # pass the packet
)


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


def drop_new_connections(listening: socket.socket) -> None:
    """Let the kernel ignore requests for new connections to a listening socket.

    The connections that the kernel has opened before can still be accepted. Without this step, the
    connections that are opened between the last accept and the close of the socket would be reset. An ignored
    client asks again after a second. Then the socket is closed, and the client is refused.

    If the system does not support socket filters, do nothing.
    """
    program = b"".join(struct.pack("HBBI", *one) for one in _DROP_NEW_CONNECTIONS)
    buffer = ctypes.create_string_buffer(program)
    fprog = struct.pack("HP", len(_DROP_NEW_CONNECTIONS), ctypes.addressof(buffer))
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
    except OSError:
        return


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
