"""The numbers of calls of each caller or of one method, with a limit."""

from __future__ import annotations


class Claim:
    """One counted call. The call is counted until the claim is released, exactly once."""

    __slots__ = ("_counts", "_key")

    def __init__(self, counts: dict[str, int], key: str) -> None:
        self._counts = counts
        self._key = key

    def release(self) -> None:
        """End the count of the call."""
        left = self._counts[self._key] - 1
        if left:
            self._counts[self._key] = left
        else:
            del self._counts[self._key]


class CallCounts:
    """The numbers of calls that are active or in the queue, by a key such as the caller.

    A key without calls needs no memory.
    """

    __slots__ = ("_counts", "limit")

    def __init__(self, limit: int) -> None:
        """Initialize the numbers.

        Args:
            limit: the maximum number of calls with the same key.
        """
        self.limit = limit
        self._counts: dict[str, int] = {}

    def claim(self, key: str) -> Claim | None:
        """Count a call. Return None if the limit is reached."""
        count = self._counts.get(key, 0)
        if count >= self.limit:
            return None
        self._counts[key] = count + 1
        return Claim(self._counts, key)
