"""Waits until files have settled. Files have settled when they were stable for a configured time.

A program that writes the files may not have finished, or may write a file more than once. So files have
settled only after several reads during this time have found the same contents. In addition, no file may be
written between two reads, because its contents may change and change back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gateway.faults import Fault, FaultsError, Position

READS = 8
"""The number of reads that must find the same contents as the read before."""
PATIENCE = 10
"""The number of periods of `settle_s` after which a reload refuses files that still change."""
_MAX_NAMED = 5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Stamps = frozenset[tuple[str, int, int, int]]


class Files(Protocol[T_co]):
    """Files that are read together."""

    def read(self) -> T_co:
        """Return the contents of the files. This method runs in a thread.

        Raises:
            FaultsError: the files cannot be read.
        """
        ...

    def stamp(self) -> Stamps:
        """Return the stamps of all files. This method runs in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """The result of one read of files. Equal results would build the same snapshot.

    Attributes:
        contents: the contents of the files; None when they cannot be read.
        faults: the faults of files that cannot be read.
        stamps: a stamp of each file; the stamp changes when the file is written.
    """

    contents: T | None = None
    faults: tuple[Fault, ...] = ()
    stamps: Stamps = field(default=frozenset(), compare=False)

    def is_same(self, other: Read[T]) -> bool:
        """Return whether two reads had the same result, and no file was written between the reads."""
        return self == other and self.stamps == other.stamps


class Settling(Generic[T]):
    """Reads files until they have settled."""

    def __init__(self, files: Files[T], settle_s: float) -> None:
        """Prepare.

        Args:
            files: the files to read.
            settle_s: the time during which no file may change, in seconds.
        """
        self._files = files
        self._settle_s = settle_s

    async def read(self) -> Read[T]:
        """Read the files once. The contents may be half written."""
        return await asyncio.to_thread(self._read)

    async def settle(self) -> Read[T]:
        """Return the contents after no file has changed for `settle_s` seconds.

        Raises:
            FaultsError: the files keep changing.
        """
        found, reads, same = await self.read(), 0, 0
        while same < READS:
            await asyncio.sleep(self._settle_s / READS)
            last, found = found, await self.read()
            reads, same = reads + 1, same + 1 if found.is_same(last) else 0
            if not same and reads >= PATIENCE * READS:  # counted, not timed: reads may be slow
                raise self._unsettled(last, found)
        return found

    def _read(self) -> Read[T]:
        stamps = self._files.stamp()  # before the contents: a write in between changes the next stamps
        try:
            return Read(self._files.read(), stamps=stamps)
        except FaultsError as error:
            return Read(faults=error.faults, stamps=stamps)

    def _unsettled(self, last: Read[T], found: Read[T]) -> FaultsError:
        written = sorted({Path(path).name for path, *_ in last.stamps ^ found.stamps})
        names = ", ".join(written[:_MAX_NAMED]) or "files"
        return FaultsError(
            [
                Fault(
                    Position("bundle"),
                    "policies.settle_s",
                    f"{names} kept changing: nothing may change for {self._settle_s:g} s before it is taken; "
                    "write to another name, and rename it when it is whole",
                )
            ]
        )
