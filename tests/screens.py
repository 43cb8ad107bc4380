"""A pseudo-terminal, and what a process writes to it."""

from __future__ import annotations

import os
import pty
import select
import time
from typing import Self

from tests.waiting import GENEROUS_S


class Screen:
    """A terminal that remembers everything that was written to it.

    Attributes:
        follower: the descriptor of the terminal, for the process that writes to it.
        shown: what was read so far.
    """

    def __init__(self) -> None:
        self._leader, self.follower = pty.openpty()
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_follower()
        os.close(self._leader)

    def close_follower(self) -> None:
        """Close the terminal in this process, so that it ends together with the other process."""
        if self.follower >= 0:
            os.close(self.follower)
            self.follower = -1

    def type(self, keys: str) -> None:
        os.write(self._leader, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until the terminal has shown a text."""
        deadline = time.monotonic() + GENEROUS_S
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.read(0.1)

    def read(self, timeout_s: float = 0.0) -> bool:
        """Read what is there. Return whether there may be more."""
        if not select.select([self._leader], [], [], timeout_s)[0]:
            return False
        try:
            part = os.read(self._leader, 65536)
        except OSError:  # how Linux reports that nobody has the terminal open any more
            return False
        self.shown += part.decode(errors="replace")
        return bool(part)

    def read_all(self) -> str:
        """Return everything that was shown, once the process has ended."""
        while self.read():
            pass
        return self.shown
