"""Rates that are counted in a store, which several processes share.

The package `limits` counts, with redis-py. Valkey speaks the protocol of Redis, so redis-py is also the
client of Valkey. The default client of `limits`, coredis, is not used.

This module is imported only if a store is configured.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import redis.asyncio
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.limits.rate_counter import find_wait_s
from gateway.limits.refusals import limits_unavailable
from gateway.telemetry import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.limits.rates import RateLimit
    from gateway.telemetry import Health, Metrics

CONDITION = "limits"
"""The name of the store's health condition."""
TIMEOUT_S = 0.1
"""The longest time for the rates of one call, in seconds."""
CONNECTIONS = 32
"""The maximum number of connections to the store."""

_log = logging.getLogger(__name__)

_FIRST_PROBE_S, _LONGEST_PROBE_S = 0.1, 1.0
_MAX_REFUSED = 10_000
_PREFIX = "baremetal-gateway"
_PROBE = RateLimitItemPerSecond(1_000_000, 1, "probe")  # never used up, so that each probe writes


class SharedRates:
    """Rates that are counted in a store.

    After a failure of the store, no call asks the store until a probe has reached it again. So a store that
    does not respond delays only the calls that are under way when it fails, by at most TIMEOUT_S.

    A rate that is used up cannot allow a call before a time that is known. Until this time, calls are refused
    without asking the store.
    """

    def __init__(
        self,
        url: str,
        on_error: Literal["allow", "refuse"],
        health: Health,
        metrics: Metrics,
        *,
        is_observing: bool = False,
    ) -> None:
        """Initialize the client. It connects with the first command.

        Args:
            url: the URL of the store, which may contain a password.
            on_error: whether calls are allowed or refused while the store does not respond.
            health: the conditions of the gateway.
            metrics: the instruments of the gateway.
            is_observing: whether the mode of all calls is `observe`, so that no call is refused.
        """
        parts = urlsplit(url)
        self._address = f"{parts.hostname}:{parts.port or 6379}"
        self._on_error = on_error
        self._is_refusing = on_error == "refuse" and not is_observing
        self._health = health
        self._metrics = metrics
        self._pool = redis.asyncio.BlockingConnectionPool.from_url(
            to_redis_url(url),
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a further attempt could count the call twice
        )
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=_PREFIX, **options
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._refused: dict[str, float] = {}  # until when, in seconds of the monotonic clock
        self._recovering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask the store for the first time. A store that does not respond does not prevent the start."""
        error = await self._try_probe()
        if error is None:
            self._health.set(CONDITION, Status.OK)
        else:
            self._report(error)
            self._recovering = asyncio.create_task(self._recover(is_reported=True))

    async def close(self) -> None:
        """Close the connections."""
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.wait([self._recovering])
        with suppress(*_FAILURES):
            await self._pool.disconnect()

    async def check(self, rates: Sequence[RateLimit], caller: str) -> tuple[RateLimit, float] | None:
        """Count a call.

        Return the rate that does not allow the call, and the time until it does in seconds. Return None if
        all rates allow the call. The rates before the one that does not allow the call have counted it.

        Raises:
            GatewayError: UNAVAILABLE. The store does not respond, and calls are refused then.
        """
        if self._recovering is not None:
            self._decide_without_store()
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                for one in rates:
                    wait_s = await self._hit(one, _to_key(one.counted_key(caller)))
                    if wait_s:
                        return one, wait_s
        except _FAILURES:
            self._fail()
            self._decide_without_store()
        return None

    async def _hit(self, one: RateLimit, key: str) -> float:
        """Count a call for one rate. Return the time until the rate allows it, or 0 if it allows it now."""
        item = RateLimitItemPerSecond(one.rate.count, one.rate.seconds, one.key)
        name, now = item.key_for(key), time.monotonic()
        refused_until = self._refused.get(name, 0.0)
        if refused_until > now:
            return refused_until - now
        if await self._limiter.hit(item, key):
            return 0.0
        expiry = item.get_expiry()
        previous, previous_left_s, current, left_s = await self._storage.get_sliding_window(name, expiry)
        # The store keeps the current window for one further window.
        wait_s = find_wait_s(one.rate, previous, previous_left_s, current, left_s - expiry)
        if len(self._refused) >= _MAX_REFUSED:
            self._refused.clear()
        self._refused[name] = now + wait_s
        return wait_s

    def _decide_without_store(self) -> None:
        """Refuse the call if the configuration says so."""
        if self._on_error == "refuse":
            if self._is_refusing:
                self._metrics.record_refused("store")
            raise limits_unavailable()
        self._metrics.record_unchecked()

    def _fail(self) -> None:
        """Stop asking the store, and begin to probe it."""
        if self._recovering is None:
            self._recovering = asyncio.create_task(self._recover())

    async def _recover(self, *, is_reported: bool = False) -> None:
        """Wait until the store can be used again.

        The first probe is made at once, and only its failure is reported. So a single late response, which a
        busy process may have caused itself, has almost no effect.

        Args:
            is_reported: whether the failure of the store is reported already.
        """
        pause_s = _FIRST_PROBE_S
        while (error := await self._try_probe()) is not None:
            if not is_reported:
                self._report(error)
                is_reported = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PROBE_S)
        self._recovering = None
        self._health.set(CONDITION, Status.OK)
        if is_reported:
            _log.warning("the store of the limits can be used again", extra={"store": self._address})

    def _report(self, error: Exception) -> None:
        reason = describe_failure(error, TIMEOUT_S)
        effect = "calls are refused" if self._is_refusing else "rates are not checked"
        self._health.set(CONDITION, Status.DEGRADED, f"{self._address}: {reason}; {effect}")
        _log.warning(
            "the store of the limits cannot be used",
            extra={"store": self._address, "reason": reason, "effect": effect},
        )

    async def _try_probe(self) -> Exception | None:
        """Count a call that does not exist, because a store that can only be read is of no use.

        Return the error; None if the store can be used.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._limiter.hit(_PROBE)
        except _FAILURES as error:
            return error
        return None


_FAILURES = (redis.RedisError, OSError, TimeoutError)


def _to_key(caller: str) -> str:
    """Return the key of a caller in the store. The store does not contain the names of callers."""
    return hashlib.blake2b(caller.encode(), digest_size=16).hexdigest() if caller else "all"


def to_redis_url(url: str) -> str:
    """Return the URL of a store in the form that redis-py accepts."""
    return "redis" + url.removeprefix("valkey").removeprefix("redis")


def describe_failure(error: Exception, timeout_s: float) -> str:
    """Return the reason of a failure. It does not contain the text of the error, which may have a secret.

    Args:
        error: the error.
        timeout_s: the maximum time of the request that has failed, in seconds.
    """
    if isinstance(error, redis.AuthenticationError):
        return "it does not accept the user name or the password"
    if isinstance(error, TimeoutError | redis.TimeoutError):
        return f"no response within {timeout_s * 1000:g} ms"
    if isinstance(error, redis.ConnectionError | OSError):
        return "it cannot be reached"
    return f"it refused a command ({type(error).__name__})"
