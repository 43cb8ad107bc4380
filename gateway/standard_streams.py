"""Standard streams that were closed before this process started.

Their descriptors would be taken by the next file or socket that is opened, and
what is meant for standard output would be written there.
"""

from __future__ import annotations

import os
import sys

STANDARD_OUTPUT = 1
_STANDARD_DESCRIPTORS = (0, STANDARD_OUTPUT, 2)


def reserve_closed_streams() -> None:
    """Open each closed standard descriptor on the null device. Call this before anything else is opened."""
    for descriptor in _STANDARD_DESCRIPTORS:
        if not _is_open(descriptor):
            # The lowest free descriptor is taken: this one, as those below it are open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the library's own form


def is_stdout_closed() -> bool:
    """Return whether standard output was closed when the process started; reserved or not."""
    return sys.stdout is None or not _is_open(STANDARD_OUTPUT)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
