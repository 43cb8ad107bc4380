"""Ports for processes that a test starts.

A port that is free now may be taken before the process listens on it: by a connection, or by another test.
So these ports are below the range from which the system chooses ports, and each process of a test run has
ports of its own.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
from contextlib import suppress

_FIRST, _OF_A_PROCESS = 10_000, 1_000
_numbers = itertools.count()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on, and that this process has not used lately."""
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))
    # A process outside of a test run takes a place by its ID, so that two of them rarely meet.
    index = int(worker) % 10 if worker else 10 + os.getpid() % 10
    for _ in range(_OF_A_PROCESS):
        port = _FIRST + index * _OF_A_PROCESS + next(_numbers) % _OF_A_PROCESS
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
