"""The admission of calls. It applies all limits before the request message of a call is received."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.errors.mode import ENFORCE
from gateway.limits.call_counts import CallCounts
from gateway.limits.caller_key import caller_key
from gateway.limits.concurrency import ConcurrencyLimit
from gateway.limits.overload_report import OverloadReport
from gateway.limits.rates import RateTable, check_in_process
from gateway.limits.refusals import concurrency_limited, overloaded

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from gateway.call import Caller
    from gateway.config.limits import Limits
    from gateway.errors.mode import EnforceMode
    from gateway.limits.call_counts import Claim
    from gateway.limits.rates import RateLimit
    from gateway.limits.shared_rates import SharedRates
    from gateway.limits.slot import Slot
    from gateway.telemetry import Health, Metrics

OBSERVED_FACTOR = 4
"""The factor between the calls that can be active in the mode `observe`, and those in the mode `enforce`."""


class Admission:
    """The limits on the calls that the gateway accepts. Both listeners and all snapshots share the limits.

    The limits are checked in this order: the concurrency of the caller and of the method; the rates of the
    caller, of the method and of all calls; the concurrency of all calls, whose queue is last. So a call that
    waits in the queue has passed all other limits, and a call that is refused by its own caller's limit does
    not use up a limit of others.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        health: Health,
        now: Callable[[], float] = time.monotonic,
        *,
        is_observing: bool = False,
    ) -> None:
        """Initialize the limits.

        Args:
            limits: the section of the configuration.
            metrics: the instruments of the gateway.
            health: the conditions of the gateway.
            now: the function that returns the time for rates in this process, in seconds. The time never
                goes back.
            is_observing: whether the mode of all calls is `observe`. Then only one limit refuses calls, to
                protect the process: OBSERVED_FACTOR times the calls that can be active or wait otherwise.
        """
        self._metrics = metrics
        self._now = now
        self._report = OverloadReport(health)
        self._most_calls = limits.concurrency + limits.queue
        if is_observing:
            self._concurrency = ConcurrencyLimit(OBSERVED_FACTOR * self._most_calls, metrics, self._report)
        else:
            self._concurrency = ConcurrencyLimit(
                limits.concurrency, metrics, self._report, queue=limits.queue, queue_s=limits.queue_s
            )
        self._per_caller = _make_counts(limits.per_caller.concurrency)
        self._per_method = {
            name: CallCounts(section.concurrency)
            for name, section in limits.per_method.items()
            if section.concurrency is not None
        }
        self._rates = RateTable(limits)
        self._shared = _make_shared_rates(limits, health, metrics, is_observing=is_observing)

    @property
    def forwarding(self) -> set[asyncio.Task[Any]]:
        """The tasks that forward calls which change something, until their slots are released."""
        return self._concurrency.forwarding

    @property
    def active(self) -> int:
        """The number of active calls."""
        return self._concurrency.active

    @property
    def queued(self) -> int:
        """The number of calls in the queue."""
        return self._concurrency.queued

    async def start(self) -> None:
        """Connect to the store of the rates. A store that does not respond does not prevent the start."""
        if self._shared is not None:
            await self._shared.start()

    async def close(self) -> None:
        """Close the connections to the store of the rates."""
        self._report.close()
        if self._shared is not None:
            await self._shared.close()

    async def admit(self, caller: Caller, method: str, mode: EnforceMode = ENFORCE) -> Slot:
        """Return the slot of a new call. The call may wait in the queue.

        Args:
            caller: the caller.
            method: the full name of the method, as `package.Service/Method`; empty if it is not served.
            mode: whether a limit refuses the call, or this is only observed.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, a limit refuses the call; UNAVAILABLE, a rate cannot be checked.
        """
        key = caller_key(caller)
        claims = self._claim(key, method, mode)
        try:
            rates = self._rates.find(method)
            if rates:
                await self._check_rates(rates, key, mode)
            if mode.is_observing and self._concurrency.active >= self._most_calls:
                mode.refuse(overloaded(f"{self._concurrency.active} calls are active", "limits.concurrency"))
            return await self._concurrency.acquire(key, claims)
        except BaseException:
            for claim in claims:
                claim.release()
            raise

    async def _check_rates(self, rates: Sequence[RateLimit], caller: str, mode: EnforceMode) -> None:
        try:
            found = (
                check_in_process(rates, caller, self._now())
                if self._shared is None
                else await self._shared.check(rates, caller)
            )
        except GatewayError as error:  # the store does not respond
            mode.refuse(error)
            return
        if found is not None:
            limit, wait_s = found
            self._refuse(limit.limit, limit.refuse(wait_s), mode)

    def _claim(self, caller: str, method: str, mode: EnforceMode) -> list[Claim]:
        """Count the call for its caller and its method, and return what has to be released."""
        claims: list[Claim] = []
        if self._per_caller is not None:
            claim = self._per_caller.claim(caller)
            if claim is None:
                key, limit = "per_caller.concurrency", self._per_caller.limit
                error = concurrency_limited("the caller's", limit, f"limits.{key}")
                self._refuse(key, error, mode)
            else:
                claims.append(claim)
        counts = self._per_method.get(method)
        if counts is not None:
            claim = counts.claim(method)
            if claim is None:
                key = f"limits.per_method.{method}.concurrency"
                error = concurrency_limited("the method's", counts.limit, key)
                try:
                    self._refuse("per_method.concurrency", error, mode)
                except GatewayError:
                    for one in claims:
                        one.release()
                    raise
            else:
                claims.append(claim)
        return claims

    def _refuse(self, limit: str, error: GatewayError, mode: EnforceMode) -> None:
        """Refuse a call because of a limit, and count it. In the mode `observe`, only note it."""
        if not mode.is_observing:
            self._metrics.record_refused(limit)
        mode.refuse(error)


def _make_counts(limit: int | None) -> CallCounts | None:
    return None if limit is None else CallCounts(limit)


def _make_shared_rates(
    limits: Limits, health: Health, metrics: Metrics, *, is_observing: bool
) -> SharedRates | None:
    if limits.store is None:
        return None
    # Imported only here, because the packages for the store need time and memory.
    from gateway.limits.shared_rates import SharedRates  # noqa: PLC0415

    return SharedRates(limits.store, limits.on_error, health, metrics, is_observing=is_observing)
