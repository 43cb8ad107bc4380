"""The retry budget of an upstream. It stops retries while a large part of the attempts fail.

If an upstream is overloaded, retries would increase its load. The budget follows the retry throttling of gRPC
(https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs).
"""

from __future__ import annotations

MAX_TOKENS = 100
"""The number of tokens of a full budget. Retries are allowed while more than half of the tokens are left."""

SUCCESSES_PER_TOKEN = 10
"""The number of successful calls that add one token. A failed attempt takes one token."""

# The tokens are counted in units of one successful call, so that no fraction is rounded.
_FULL = MAX_TOKENS * SUCCESSES_PER_TOKEN
_HALF = _FULL // 2


class RetryBudget:
    """The tokens of one upstream. At the start the budget is full."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _FULL

    def note_success(self) -> None:
        """Add a part of a token for a successful call."""
        if self._left < _FULL:
            self._left += 1

    def note_failure(self) -> None:
        """Take a token for an attempt that failed with an error that could be retried."""
        self._left = max(0, self._left - SUCCESSES_PER_TOKEN)

    def allows_retry(self) -> bool:
        """Return whether more than half of the tokens are left."""
        return self._left > _HALF
