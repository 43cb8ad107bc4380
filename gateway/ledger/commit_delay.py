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
"""The maximum delay of a commit, in seconds."""
SIBLINGS = 4
"""The number of concurrent callers from which on commits are delayed."""
BUSY_S = 0.05
"""The time after a commit for several callers in which the next commit is delayed, in seconds."""


class CommitDelay:
    """Delays a commit until all callers wait for it that were there at the commit before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Initialize the delay.

        Args:
            clock: a function that returns the time in seconds. It never goes back.
        """
        self._clock = clock
        self._waiting = self._committing = 0  # the callers of the next commit, and those of the present one
        self._expected = 0
        self._busy_until = 0.0
        self._are_enough = asyncio.Event()

    def add_caller(self) -> None:
        """Note one more caller that waits for the next commit."""
        self._waiting += 1
        if self._waiting >= self._expected:
            self._are_enough.set()

    async def wait(self) -> None:
        """Wait until the next commit may start."""
        if self._waiting >= self._expected or self._clock() >= self._busy_until:
            return
        self._are_enough.clear()
        timer = asyncio.get_running_loop().call_later(DELAY_S, self._are_enough.set)
        try:
            await self._are_enough.wait()
        finally:
            timer.cancel()

    def start_commit(self) -> None:
        """Note that a commit starts for all callers that wait."""
        self._committing, self._waiting = self._waiting, 0

    def withdraw_commit(self) -> None:
        """Note that the commit was withdrawn. Its callers wait for the next one."""
        self._waiting += self._committing
        self._committing = 0

    def end_commit(self) -> None:
        """Note that the commit has succeeded. Commits that no caller waited for change nothing."""
        if self._committing:
            self._expected = self._committing + self._waiting
            self._busy_until = self._clock() + BUSY_S if self._expected >= SIBLINGS else 0.0
