"""Waits until files have settled: nothing about them changes for a while.

Whoever writes them may be half way through, and may write more than once. So they
count as settled only when each of several looks over the whole time finds the same,
and no file was touched between two looks either: contents that change and change
back between looks would pass for contents that stayed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKS = 8
"""Looks that have to find the same, after the first one."""
PATIENCE = 10
"""Files that still change after so many times `settle_s` are given up, until they are asked for again."""
_MAX_NAMED = 5

T = TypeVar("T")
Stamps = frozenset[tuple[str, int, int, int]]


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What one look at files found. Two are equal when the same would be made of them.

    Attributes:
        contents: of the files; None when they cannot be read.
        faults: why they cannot be read.
        stamps: of each file; they differ once it was written.
    """

    contents: T | None = None
    faults: tuple[Fault, ...] = ()
    stamps: Stamps = field(default=frozenset(), compare=False)

    def is_same(self, other: Look[T]) -> bool:
        """Tell whether nothing was found to have changed, and nothing to have been written."""
        return self == other and self.stamps == other.stamps


class Settling(Generic[T]):
    """Looks at files until they have settled."""

    def __init__(self, read: Callable[[], T], stamp: Callable[[], Stamps], settle_s: float) -> None:
        """Prepare.

        Args:
            read: reads all files; runs in a thread.
            stamp: takes the stamps of all files; runs in a thread.
            settle_s: time for which nothing may change, in seconds.
        """
        self._read = read
        self._stamp = stamp
        self._settle_s = settle_s

    async def look(self) -> Look[T]:
        """Return what is there now, which may be half written."""
        return await asyncio.to_thread(self._look)

    async def settle(self) -> Look[T]:
        """Return what is there once nothing has changed for as long as it has to.

        Raises:
            FaultsError: the files go on changing.
        """
        found, looks, alike = await self.look(), 0, 0
        while alike < LOOKS:
            await asyncio.sleep(self._settle_s / LOOKS)
            last, found = found, await self.look()
            looks, alike = looks + 1, alike + 1 if found.is_same(last) else 0
            if not alike and looks >= PATIENCE * LOOKS:  # not by the clock: looks may be slow
                raise self._unsettled(last, found)
        return found

    def _look(self) -> Look[T]:
        stamps = self._stamp()  # before the contents: what is written meanwhile changes the next ones
        try:
            return Look(self._read(), stamps=stamps)
        except FaultsError as error:
            return Look(faults=error.faults, stamps=stamps)

    def _unsettled(self, last: Look[T], found: Look[T]) -> FaultsError:
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
