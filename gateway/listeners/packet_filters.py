"""Filters of the kernel for the packets that a TCP socket receives.

They are used when a gateway stops. The peer sends a dropped packet again, until the connection is closed or
the filter is removed. If the system does not support socket filters, these functions do nothing.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

_ATTACH, _DETACH = 26, 27  # SO_ATTACH_FILTER and SO_DETACH_FILTER, which the module socket does not have

# Classic BPF programs (linux/filter.h), as (code, jump if true, jump if false, operand). A packet starts with
# its TCP header.
_DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the byte of the TCP flags
    (0x54, 0, 0, 0x12),  # keep SYN (0x02) and ACK (0x10)
    (0x15, 0, 1, 0x02),  # if only SYN is set
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # pass the packet
)
_DROP_DATA = (
    (0x30, 0, 0, 12),  # load the byte that contains the length of the TCP header
    (0x74, 0, 0, 4),  # shift it right: the length in units of four bytes
    (0x24, 0, 0, 4),  # multiply it: the length in bytes
    (0x07, 0, 0, 0),  # keep it as X
    (0x80, 0, 0, 0),  # load the length of the packet
    (0x2D, 0, 1, 0),  # if it is greater than X
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # pass the packet
)


def drop_new_connections(listening: socket.socket) -> None:
    """Drop the requests for new connections to a listening socket.

    The connections that the kernel has opened before can still be accepted. Without this step, the
    connections that are opened between the last accept and the close of the socket would be reset.
    """
    _attach(listening, _DROP_NEW_CONNECTIONS)


def drop_data(connection: socket.socket) -> None:
    """Drop all data that arrives on a connection. Acknowledgements of sent data still arrive."""
    _attach(connection, _DROP_DATA)


def accept_data(connection: socket.socket) -> None:
    """Accept data again on a connection, also the data that was dropped."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def _attach(one: socket.socket, program: tuple[tuple[int, int, int, int], ...]) -> None:
    buffer = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", len(program), ctypes.addressof(buffer)))
