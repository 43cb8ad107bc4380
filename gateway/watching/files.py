"""Watches files, and loads them again when they have changed.

The files are polled, because notifications do not work on every network file system. A file in a mounted
Kubernetes secret changes when a symbolic link above it is replaced. So the inode is part of a file's stamp.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Never, TypeAlias

from gateway.faults import FaultsError
from gateway.telemetry import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gateway.telemetry import Health

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0
"""The time between two looks at the files, in seconds."""

_Stamp: TypeAlias = tuple[int, int, int] | None


class FileWatch:
    """Watches the files of one part of the gateway.

    If the changed files have faults, the part continues with what it has loaded before. The faults are logged
    and are the reason of a degraded condition. The files are then loaded again at each later look, until they
    have no faults.
    """

    def __init__(
        self,
        name: str,
        paths: Iterable[Path],
        load: Callable[[], None],
        health: Health,
        describe: Callable[[], tuple[Status, str]] = lambda: (Status.OK, ""),
    ) -> None:
        """Initialize the watch.

        The present files count as loaded. So the watch is made before the files are first loaded.

        Args:
            name: the name of the part's health condition.
            paths: the paths of the files.
            load: a function that loads all files and uses them. It raises FaultsError if a file has faults.
            health: the health to which the condition belongs.
            describe: a function that returns the status and the reason of the condition while the files have
                no faults. It is called at each look, because what is loaded may become invalid with time.
        """
        self._name = name
        self._paths = tuple(paths)
        self._load = load
        self._health = health
        self._describe = describe
        self._loaded = self._stamp()
        self._has_faults = False
        health.set(name, Status.OK)

    async def run(self, interval_s: float = INTERVAL_S) -> Never:
        """Look at the files at regular intervals. This coroutine runs until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                self.look()
            except Exception:  # noqa: BLE001 - a failure of the gateway itself; the next look may succeed
                _log.exception("files not reloaded", extra={"part": self._name})
                self._health.set(
                    self._name, Status.DEGRADED, "an internal error prevents the reload; see the log"
                )

    def look(self) -> None:
        """Load the files again if they have changed, or if they had faults at the last look."""
        stamp = self._stamp()
        if stamp != self._loaded or self._has_faults:
            self._reload(stamp)
        if not self._has_faults:
            self._health.set(self._name, *self._describe())

    def _reload(self, stamp: tuple[_Stamp, ...]) -> None:
        try:
            self._load()
        except FaultsError as error:
            faults = [str(one) for one in error.faults]
            self._health.set(self._name, Status.DEGRADED, "; ".join(faults))
            if not self._has_faults or stamp != self._loaded:
                _log.error("files not reloaded", extra={"part": self._name, "faults": faults})
            self._has_faults = True
        else:
            _log.info("files reloaded", extra={"part": self._name})
            self._has_faults = False
        self._loaded = stamp  # taken before the files were read, so a later change is not missed

    def _stamp(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp_of(path) for path in self._paths)


def _stamp_of(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
