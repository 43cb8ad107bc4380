"""Waits until files have settled: they are stable for a while.

A program that writes them may be half done, and may write more than once. So files
have settled only when several reads over the whole time find the same contents, and
no file was written between two reads: contents may change and change back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gateway.faults import Fault, FaultsError, Position

READS = 8
"""Reads that have to find the same, after the first one."""
PATIENCE = 10
"""Files that still change after so many times `settle_s` are refused, until the next reload."""
_MAX_NAMED = 5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Stamps = frozenset[tuple[str, int, int, int]]


class Files(Protocol[T_co]):
    """Files that are read together."""

    def read(self) -> T_co:
        """Return their contents; runs in a thread.

        Raises:
            FaultsError: they cannot be read.
        """
        ...

    def stamp(self) -> Stamps:
        """Return the stamps of all files; runs in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """The result of one read of files. Equal results would build the same snapshot.

    Attributes:
        contents: the contents of the files; None when they cannot be read.
        faults: why they cannot be read.
        stamps: a stamp of each file, which differs after the file was written.
    """

    contents: T | None = None
    faults: tuple[Fault, ...] = ()
    stamps: Stamps = field(default=frozenset(), compare=False)

    def is_same(self, other: Read[T]) -> bool:
        """Return whether nothing has changed, and nothing was written."""
        return self == other and self.stamps == other.stamps


class Settling(Generic[T]):
    """Reads files until they have settled."""

    def __init__(self, files: Files[T], settle_s: float) -> None:
        """Prepare.

        Args:
            files: the files to read.
            settle_s: time for which nothing may change, in seconds.
        """
        self._files = files
        self._settle_s = settle_s

    async def read(self) -> Read[T]:
        """Return the present contents, which may be half written."""
        return await asyncio.to_thread(self._read)

    async def settle(self) -> Read[T]:
        """Return the contents once nothing has changed for the whole time.

        Raises:
            FaultsError: the files keep changing.
        """
        found, reads, same = await self.read(), 0, 0
        while same < READS:
            await asyncio.sleep(self._settle_s / READS)
            last, found = found, await self.read()
            reads, same = reads + 1, same + 1 if found.is_same(last) else 0
            if not same and reads >= PATIENCE * READS:  # not by the clock: reads may be slow
                raise self._unsettled(last, found)
        return found

    def _read(self) -> Read[T]:
        stamps = self._files.stamp()  # before the contents: what is written meanwhile changes the next ones
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
