"""Limits the failed attempts of each address."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from gateway.callers.bounded_cache import BoundedCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Rate

MAX_ADDRESSES = 10_000
"""The maximum number of addresses whose attempts are counted. Then the oldest address is forgotten."""

_ROUNDING_S = 1e-9


class FailedAttempts:
    """Counts failed attempts for each key with the generic cell rate algorithm.

    The count of a key decreases at the limiting rate. So a key that has reached the limit gets further
    attempts at this rate, not a whole period later. One number is kept for each key.
    """

    def __init__(
        self,
        rate: Rate,
        max_keys: int = MAX_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize the limit.

        Args:
            rate: the maximum number of attempts in a period.
            max_keys: the maximum number of keys that are counted.
            clock: a function that returns the time in seconds.
        """
        self._period_s = float(rate.seconds)
        self._interval_s = rate.seconds / rate.count
        self._clock = clock
        # For each key the time at which its count will be zero.
        self._zero_at: BoundedCache[str, float] = BoundedCache(max_keys)

    def __len__(self) -> int:
        """Return the number of keys that are counted."""
        return len(self._zero_at)

    def wait_s(self, key: str) -> int:
        """Return the time until the next attempt of a key is allowed, in whole seconds. 0 means now."""
        zero_at = self._zero_at.get(key)
        if zero_at is None:
            return 0
        wait_s = zero_at + self._interval_s - self._period_s - self._clock()
        return max(1, math.ceil(wait_s)) if wait_s > _ROUNDING_S else 0

    def add(self, key: str) -> None:
        """Count a failed attempt of a key."""
        now = self._clock()
        self._zero_at.put(key, max(self._zero_at.get(key) or now, now) + self._interval_s)
