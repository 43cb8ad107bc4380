"""Checks whether the files of a ledger can be written, without creating or locking them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.faults import Fault, Position

if TYPE_CHECKING:
    from gateway.config.ledger import LedgerSection


def find_unusable_files(section: LedgerSection) -> list[Fault]:
    """Return a fault for each file of a ledger that cannot be opened or created.

    A PostgreSQL database is not checked, because a gateway starts without it.
    """
    faults = []
    if section.url.startswith("sqlite:///"):
        # The lock file and the write-ahead log are in the same folder as the file.
        path = Path(section.url.removeprefix("sqlite:///"))
        reason = _why_not_writable(path) or _why_not_writable(Path(f"{os.path.realpath(path)}.lock"))
        if reason:
            faults.append(Fault(Position(section.url), "ledger.url", f"cannot be opened: {reason}"))
    if section.checkpoints is not None and (reason := _why_not_writable(section.checkpoints)):
        place = Position(str(section.checkpoints))
        faults.append(Fault(place, "ledger.checkpoints", f"cannot be opened: {reason}"))
    return faults


def _why_not_writable(path: Path) -> str:
    """Return why a file cannot be opened for writing or created; empty if it can."""
    try:
        if path.is_dir():
            return os.strerror(errno.EISDIR)
        path.parent.stat()
        is_writable = os.access(path, os.R_OK | os.W_OK) if path.exists() else _can_create(path)
    except OSError as error:
        return error.strerror or str(error)
    return "" if is_writable else os.strerror(errno.EACCES)


def _can_create(path: Path) -> bool:
    return os.access(path.parent, os.W_OK | os.X_OK)
