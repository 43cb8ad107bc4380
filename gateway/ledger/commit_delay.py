"""The delay of commits while several callers wait.

Without a delay, several callers are split into two halves: the entries of one half gather while those of the
other half are being committed. This takes twice as many commits, and each commit takes the interpreter lock
some 20 times. PostgreSQL has the same rule for its own log, with the settings `commit_delay` and
`commit_siblings`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DELAY_S = 0.002
"""The delay of a commit, in seconds."""
SIBLINGS = 4
"""The number of callers that count as several."""
BUSY_S = 0.05
"""The time after a commit for several callers in which the next commit is delayed, in seconds."""


class CommitDelay:
    """Delays a commit if several callers waited for the one before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Initialize the delay.

        Args:
            clock: a function that returns the time in seconds. It never goes back.
        """
        self._clock = clock
        self._busy_until = 0.0

    async def wait(self) -> None:
        """Wait until the next commit may start."""
        if self._clock() < self._busy_until:
            await asyncio.sleep(DELAY_S)

    def note_commit(self, callers: int) -> None:
        """Note a commit that has ended, and the number of callers that waited for it."""
        if callers:
            self._busy_until = self._clock() + BUSY_S if callers >= SIBLINGS else 0.0
