"""The settling of files. Files have settled when they have been stable for a configured time.

A program that writes the files may not have finished, or may write a file more than once. So the files are
read several times during the configured time. The files have settled if all reads have found the same
contents and no file was written between the reads. The second condition is necessary because the contents of
a file may change between two reads, and change back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gateway.faults import Fault, FaultsError, Position

READS = 8
"""The number of consecutive reads that must each find the same contents as the previous read."""
PATIENCE = 10
"""A reload refuses files that still change after this number of periods of `settle_s` seconds."""
_MAX_NAMED = 5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Stamps = frozenset[tuple[str, int, int, int]]


class Files(Protocol[T_co]):
    """Files that are read together."""

    def read(self) -> T_co:
        """Return the contents of the files. This method runs in a separate thread.

        Raises:
            FaultsError: the files cannot be read.
        """
        ...

    def stamp(self) -> Stamps:
        """Return the stamps of all files. This method runs in a separate thread."""
        ...


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """The result of one read of files. If two results are equal, both lead to the same snapshot.

    Attributes:
        contents: the contents of the files; None if a file cannot be read.
        faults: the faults of files that cannot be read.
        stamps: the stamps of all files. A stamp changes when the file is written.
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
        """Initialize the object with the files to observe.

        Args:
            files: the files to read.
            settle_s: the time during which no file may change, in seconds.
        """
        self._files = files
        self._settle_s = settle_s

    async def read(self) -> Read[T]:
        """Read the files once. A program may still be writing the files."""
        return await asyncio.to_thread(self._read)

    async def settle(self) -> Read[T]:
        """Wait until no file has changed for `settle_s` seconds, and return the result of the last read.

        Raises:
            FaultsError: the files have not settled after PATIENCE periods.
        """
        found, reads, same = await self.read(), 0, 0
        while same < READS:
            await asyncio.sleep(self._settle_s / READS)
            last, found = found, await self.read()
            reads, same = reads + 1, same + 1 if found.is_same(last) else 0
            if not same and reads >= PATIENCE * READS:  # the reads are counted, because a read may be slow
                raise self._unsettled(last, found)
        return found

    def _read(self) -> Read[T]:
        stamps = self._files.stamp()  # read first, so that a later write changes the next stamps
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
