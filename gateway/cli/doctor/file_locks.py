"""Finds out which process holds a lock on a file, without taking the lock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def find_lock_owner(path: Path, locks: Path) -> int | None:
    """Return the ID of the process that holds an exclusive lock (flock) on a file; None if there is none.

    Args:
        path: the file.
        locks: a file in the form of `/proc/locks`.
    """
    try:
        status, lines = path.stat(), locks.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        # For example `3: FLOCK  ADVISORY  WRITE 23666 fe:00:2770208 0 EOF`; a waiting process has `->`.
        fields = line.split()[1:]
        if fields[:3] == ["FLOCK", "ADVISORY", "WRITE"] and fields[4] == device:
            return int(fields[3])
    return None
