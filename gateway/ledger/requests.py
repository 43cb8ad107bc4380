"""Requests of operators to a running gateway, as files in a folder next to an SQLite ledger.

Only the gateway may write an SQLite ledger. So the command `audit settle` writes a request into a folder, and
the gateway carries it out. Who may write the folder is decided by the permissions of the file system.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_BYTES = 16 * 1024


def folder_of(path: Path) -> Path:
    """Return the folder of requests that belongs to an SQLite file."""
    return path.with_name(f"{path.name}.requests")


def write_request(path: Path, request: dict[str, Any]) -> Path:
    """Write a request for the gateway that uses an SQLite file, and return the file of the request.

    Raises:
        OSError: the request cannot be written.
    """
    folder = folder_of(path)
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{uuid4().hex}.json"
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(request), encoding="utf-8")
    if os.geteuid() == 0:  # the gateway, which may be another user, has to read and to remove the file
        owner = path.stat()
        for written in (folder, temporary):
            os.chown(written, owner.st_uid, owner.st_gid)
    temporary.rename(target)
    return target


def take_requests(path: Path) -> Iterator[dict[str, Any]]:
    """Remove and yield the requests that wait. A file that is no request is removed and yields nothing."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder_of(path)) if entry.name.endswith(".json"))
    except OSError:
        return
    for name in names:
        file = folder_of(path) / name
        try:
            with file.open("rb") as source:
                data = source.read(_MAX_BYTES)
            file.unlink()
            request = json.loads(data)
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(request, dict):
            yield request
