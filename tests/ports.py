"""Ports for processes that a test starts.

A port that is free now may be taken before the process listens on it: by a connection, or by another test.
So these ports are below the range from which the system chooses ports, and each process of each test run has
ports of its own.
"""

from __future__ import annotations

import itertools
import socket
from contextlib import suppress
from functools import cache

_FIRST, _OF_A_PROCESS, _PROCESSES = 10_000, 200, 100
_numbers = itertools.count()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on, and that this process has not used lately."""
    first = _claim().getsockname()[1]
    for _ in range(_OF_A_PROCESS):
        port = first + next(_numbers) % _OF_A_PROCESS
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return int(port)
    raise AssertionError("no port is free")


@cache
def _claim() -> socket.socket:
    """Reserve a range of ports for this process, also against the processes of another test run.

    A UDP socket on the first port of the range holds the reservation until the process ends.
    """
    for index in range(_PROCESSES):
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", _FIRST + index * _OF_A_PROCESS))
        except OSError:
            held.close()
        else:
            return held
    raise AssertionError("each range of ports is in use by another test process")
