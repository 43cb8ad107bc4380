"""The errors of calls that a limit refuses. Each error says which limit it is, and when to try again."""

from __future__ import annotations

import math

from gateway.errors import Code, GatewayError

RATE_LIMITED = "RATE_LIMITED"
"""The reason for a rate that is used up."""
CONCURRENCY_LIMITED = "CONCURRENCY_LIMITED"
"""The reason for a caller or a method that has too many calls."""
OVERLOADED = "OVERLOADED"
"""The reason for too many calls of all callers."""
LIMITS_UNAVAILABLE = "LIMITS_UNAVAILABLE"
"""The reason for a rate that cannot be checked."""
RETRY_S = 1.0
"""The time after which to try again if the gateway cannot compute it, in seconds."""


def rate_limited(subject: str, value: str, key: str, wait_s: float) -> GatewayError:
    """Return the error for a rate that is used up.

    Args:
        subject: whose limit it is, such as `the caller's`.
        value: the rate as text.
        key: the key of the limit in the configuration.
        wait_s: the time until the rate allows a call, in seconds.
    """
    message = f"{subject} limit of {value} ({key}) is used up; {_try_again(wait_s)}"
    return _refusal(RATE_LIMITED, message, key, wait_s)


def concurrency_limited(subject: str, limit: int, key: str) -> GatewayError:
    """Return the error for a caller or a method that has too many calls.

    Args:
        subject: whose limit it is, such as `the caller's`.
        limit: the maximum number of calls.
        key: the key of the limit in the configuration.
    """
    message = f"{subject} limit of {limit} concurrent calls ({key}) is reached; {_try_again(RETRY_S)}"
    return _refusal(CONCURRENCY_LIMITED, message, key, RETRY_S)


def overloaded(cause: str, key: str) -> GatewayError:
    """Return the error for too many calls of all callers.

    Args:
        cause: what happened to the call.
        key: the key of the limit in the configuration.
    """
    return _refusal(OVERLOADED, f"{cause}; {_try_again(RETRY_S)}", key, RETRY_S)


def limits_unavailable() -> GatewayError:
    """Return the error for a call whose rate cannot be checked, because the store does not respond."""
    message = f"the store of the rates (limits.store) does not respond; {_try_again(RETRY_S)}"
    return GatewayError(Code.UNAVAILABLE, LIMITS_UNAVAILABLE, message, retry_after_s=RETRY_S)


def _refusal(reason: str, message: str, key: str, wait_s: float) -> GatewayError:
    return GatewayError(
        Code.RESOURCE_EXHAUSTED, reason, message, metadata={"limit": key}, retry_after_s=wait_s
    )


def _try_again(wait_s: float) -> str:
    return f"try again in {max(math.ceil(wait_s), 1)} s"
