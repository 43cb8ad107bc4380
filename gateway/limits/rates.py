"""The rates that limit a call, and their counters in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.limits.rate_counter import RateCounter
from gateway.limits.refusals import rate_limited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config.limits import Limits
    from gateway.config.rates import Rate
    from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateLimit:
    """A rate that the configuration sets.

    Attributes:
        rate: the rate.
        limit: the name of the limit in metrics.
        key: the key of the limit in the configuration.
        subject: whose limit it is, for error messages.
        is_per_caller: whether the rate is counted for each caller.
        counter: the counter of this process.
    """

    rate: Rate
    limit: str
    key: str
    subject: str
    is_per_caller: bool = False
    counter: RateCounter

    def counted_key(self, caller: str) -> str:
        """Return the key under which a call of a caller is counted."""
        return caller if self.is_per_caller else ""

    def refuse(self, wait_s: float) -> GatewayError:
        """Return the error of a call that the rate does not allow."""
        return rate_limited(self.subject, str(self.rate), self.key, wait_s)


class RateTable:
    """The rates that limit the calls of each method.

    The rate of the caller is the first one, and the rate of all calls is the last one. So a caller whose own
    rate is used up does not use up the rate of others.
    """

    def __init__(self, limits: Limits) -> None:
        caller = _make(limits.per_caller.rate, "per_caller.rate", "the caller's", is_per_caller=True)
        total = _make(limits.rate, "rate", "the gateway's")
        self._others = (*caller, *total)
        self._by_method = {
            name: (*caller, *_make(section.rate, "per_method.rate", "the method's", name), *total)
            for name, section in limits.per_method.items()
        }

    def find(self, method: str) -> Sequence[RateLimit]:
        """Return the rates that limit the calls of a method."""
        return self._by_method.get(method, self._others)


def check_in_process(rates: Sequence[RateLimit], caller: str, now: float) -> tuple[RateLimit, float] | None:
    """Count a call if all rates allow it.

    Return the rate that does not allow the call, and the time until it does in seconds. Return None if all
    rates allow the call.
    """
    for one in rates:
        wait_s = one.counter.wait_s(one.counted_key(caller), now)
        if wait_s:
            return one, wait_s
    for one in rates:
        one.counter.add(one.counted_key(caller))
    return None


def _make(
    rate: Rate | None, limit: str, subject: str, method: str = "", *, is_per_caller: bool = False
) -> list[RateLimit]:
    """Return the limit for a rate of the configuration; an empty list if the rate is not set."""
    if rate is None:
        return []
    section, _, name = limit.rpartition(".")
    key = ".".join(filter(None, ("limits", section, method, name)))
    return [
        RateLimit(
            rate=rate,
            limit=limit,
            key=key,
            subject=subject,
            is_per_caller=is_per_caller,
            counter=RateCounter(rate),
        )
    ]
