"""Finds out on which kind of file system a path is."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ESCAPED = re.compile(r"\\([0-7]{3})")
_MOUNT_POINT = 4  # the index of the field, see proc_pid_mountinfo(5)


def find_file_system(path: Path, mounts: Path) -> str:
    """Return the type of the file system that holds a path, such as `ext4`; empty if it is not known.

    Args:
        path: the path. It need not exist.
        mounts: a file in the form of `/proc/self/mountinfo`.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real, found, kind = Path(os.path.realpath(path)), Path(), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) <= _MOUNT_POINT or not after:
            continue
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[_MOUNT_POINT]))
        # A later mount at the same point hides an earlier one.
        if real.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, after.split()[0]
    return kind
