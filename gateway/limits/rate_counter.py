"""A rate that is counted in this process, by a sliding window counter.

The count of the last `rate.seconds` seconds is estimated from the counts of two fixed windows: the count of
the current window, and the part of the previous window that the sliding window still covers. The package
`limits` has the same strategy and is what tests compare this module with. Its storage in memory is not used:
each call starts a task that visits every key, which takes 10 ms for 100,000 callers, and its memory has no
bound.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.rates import Rate

MAX_KEYS = 100_000
"""The maximum number of keys that are counted in one window. Then the oldest tenth is dropped."""
_MARGIN_S = 0.001  # a rate allows a call after the computed time, not at this time


class RateCounter:
    """The calls of each key in the last seconds, and whether a rate allows one more.

    The times are in seconds of any clock that never goes back.
    """

    __slots__ = ("_count", "_current", "_end", "_max_keys", "_previous", "_rate", "_seconds", "_window")

    def __init__(self, rate: Rate, max_keys: int = MAX_KEYS) -> None:
        """Initialize the counter.

        Args:
            rate: the rate of each key.
            max_keys: the maximum number of keys that are counted in one window.
        """
        self._rate = rate
        self._count, self._seconds = rate.count, rate.seconds
        self._max_keys = max_keys
        self._window = -2  # the number of the current window, from time 0
        self._end = -math.inf  # of the current window
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def wait_s(self, key: str, now: float) -> float:
        """Return the time until the rate allows a call, in seconds; 0 if it allows a call now."""
        if now >= self._end:
            self._advance(now)
        current, previous = self._current.get(key, 0), self._previous.get(key, 0)
        left_s = self._end - now
        if previous * left_s / self._seconds + current < self._count:
            return 0.0
        return find_wait_s(self._rate, previous, left_s, current, left_s)

    def add(self, key: str) -> None:
        """Count a call in the window of the last call of `wait_s`."""
        current = self._current
        count = current.get(key, 0)
        if not count and len(current) >= self._max_keys:
            # All at once, because a search for the oldest key passes the places of all dropped keys.
            for old in list(islice(current, max(self._max_keys // 10, 1))):
                del current[old]
        current[key] = count + 1

    def __len__(self) -> int:
        """Return the number of keys in memory."""
        return len(self._current) + len(self._previous)

    def _advance(self, now: float) -> None:
        """Start the window that contains a time."""
        window = int(now // self._seconds)
        self._previous = self._current if window == self._window + 1 else {}
        self._current = {}
        self._window = window
        self._end = float((window + 1) * self._seconds)


def find_wait_s(
    rate: Rate, previous: int, previous_left_s: float, current: int, current_left_s: float
) -> float:
    """Return the time after which a rate that is used up allows a call, in seconds.

    Args:
        rate: the rate.
        previous: the count of the previous window.
        previous_left_s: the time for which the sliding window covers a part of the previous window.
        current: the count of the current window.
        current_left_s: the time until the current window ends.
    """
    if current < rate.count and previous:
        wait_s = previous_left_s - rate.seconds * (rate.count - current) / previous
    else:
        wait_s = current_left_s
    return max(wait_s, 0.0) + _MARGIN_S
