"""The reservation of standard streams that were closed before this process started.

Without the reservation, the next file or socket that is opened would receive the file descriptor of a closed
stream. Then the process would write text for standard output to this file or socket.
"""

from __future__ import annotations

import os

_STANDARD_DESCRIPTORS = (0, 1, 2)


def reserve_closed_streams() -> None:
    """Open the null device for each closed standard stream.

    Call this function before any other file or socket is opened.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        if not _is_open(descriptor):
            # os.open returns the lowest free file descriptor. All descriptors below `descriptor` are open.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the library's own form


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
