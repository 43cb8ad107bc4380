"""Retries of unary calls whose upstream is unavailable for a short time.

A call is retried only if a further attempt cannot have a second effect:

- the upstream cannot have acted on the failed attempt, or
- the call is a read, or
- the call has an idempotency key. All attempts have the same key, and the upstream carries out only one
  change for a key. The cloud documents this for its services: a repeated request with the same
  Idempotency-Key has the same result as the first request
  (https://yandex.cloud/en/docs/api-design-guide/concepts/idempotency). Every change has a key, because the
  gateway chooses one if the caller sent none.

A call is also retried, once, if the upstream did not accept the gateway's own token and a new token could be
fetched. The upstream has not acted on such a call.

Streams are not retried, because a part of the response may already have been passed to the caller. A change
in the mode `observe` is not retried either, because a gateway that observes makes no change of its own.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from gateway.errors import Code, GatewayError
from gateway.upstream.credentials import CREDENTIALS_UNAVAILABLE, RefusedCredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.call import Call, Reply, ReplyStream
    from gateway.telemetry import Metrics
    from gateway.upstream.channels import Channels
    from gateway.upstream.forwarder import Forwarder

FIRST_WAIT_S = 0.1
"""The maximum wait before the second attempt, in seconds."""

FACTOR = 2
"""The factor by which the maximum wait grows with each further attempt."""

MAX_WAIT_S = 2.0
"""The maximum wait before any attempt, in seconds. An upstream can ask for a longer wait with RetryInfo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff with full jitter.

    Full jitter means that a wait is a random part of its maximum. So the retries of calls that failed
    together are spread over time.

    Attributes:
        first_s: the maximum wait before the second attempt, in seconds.
        max_s: the maximum wait before any attempt, in seconds.
        choose: a function that returns a random number between two numbers.
    """

    first_s: float = FIRST_WAIT_S
    max_s: float = MAX_WAIT_S
    choose: Callable[[float, float], float] = random.uniform

    def wait_s(self, attempt: int) -> float:
        """Return the wait after a failed attempt, in seconds. The first attempt has the number 1."""
        return self.choose(0.0, min(self.max_s, self.first_s * FACTOR ** (attempt - 1)))


class RetryingForwarder:
    """Forwards calls, and retries unary calls that fail with UNAVAILABLE.

    Retries stop when the maximum number of attempts is reached, when the deadline of the call would pass, or
    when the retry budget of the upstream is used up.
    """

    def __init__(
        self,
        forwarder: Forwarder,
        services: Mapping[str, str],
        channels: Channels,
        metrics: Metrics,
        max_attempts: int,
        backoff: Backoff | None = None,
    ) -> None:
        """Initialize the forwarder.

        Args:
            forwarder: the forwarder that makes each attempt.
            services: the names of the upstreams that serve the services, keyed by the full name of the
                service.
            channels: the channels to the upstreams. They keep the retry budgets.
            metrics: the metrics that count retries.
            max_attempts: the maximum number of attempts for one call, the first attempt included.
            backoff: the waits between attempts; None means the default ones.
        """
        self._forwarder = forwarder
        self._upstreams = services
        self._budgets = {service: channels.retry_budgets[name] for service, name in services.items()}
        self._metrics = metrics
        self._max_attempts = max_attempts
        self._backoff = backoff or Backoff()

    async def forward(
        self, call: Call, on_failed_attempt: Callable[[int, GatewayError], None] | None = None
    ) -> Reply | ReplyStream:
        """Forward a call and return the upstream's response.

        Args:
            call: the call.
            on_failed_attempt: a function that is called for each failed attempt that another attempt follows,
                immediately before that other attempt. The arguments are the number of the failed attempt,
                counted from 1, and its error.

        Raises:
            GatewayError: the error of the last attempt. Its `may_have_acted` is true if the upstream may have
                acted on any of the attempts. The error of a stream is raised as by Forwarder.forward().
        """
        if call.method.server_streaming:
            return await self._forwarder.forward(call)
        attempt, may_have_acted, is_renewed = 1, False, False
        while True:
            try:
                reply = await self._forwarder.forward(call, attempt)
            except GatewayError as error:
                may_have_acted = error.may_have_acted = may_have_acted or error.may_have_acted
                if isinstance(error, RefusedCredentialsError):
                    if is_renewed or not await error.credential.renew(error.token, call.deadline):
                        raise
                    is_renewed = True
                elif not await self._wait(call, attempt, error):
                    raise
                if on_failed_attempt is not None:
                    on_failed_attempt(attempt, error)
            else:
                self._budgets[call.method.service].note_success()
                return reply
            attempt += 1
            self._metrics.record_retry(self._upstreams[call.method.service])

    async def _wait(self, call: Call, attempt: int, error: GatewayError) -> bool:
        """Wait until the next attempt can start. Return false, without a wait, if no attempt may follow."""
        if error.code is not Code.UNAVAILABLE or error.reason == CREDENTIALS_UNAVAILABLE:
            return False  # the refreshing task decides when the next attempt to get a token follows
        if call.mode.is_observing and not call.method.is_read:
            return False
        budget = self._budgets[call.method.service]
        budget.note_failure()
        if attempt >= self._max_attempts or not _is_safe(call, error) or not budget.allows_retry():
            return False
        wait_s = max(self._backoff.wait_s(attempt), _requested_wait_s(error))
        loop = asyncio.get_running_loop()
        if loop.time() + wait_s >= call.deadline:
            return False
        await asyncio.sleep(wait_s)
        return loop.time() < call.deadline  # the event loop may have been late


def _is_safe(call: Call, error: GatewayError) -> bool:
    """Return whether a further attempt cannot have a second effect."""
    return not error.may_have_acted or call.method.is_read or bool(call.idempotency_key)


def _requested_wait_s(error: GatewayError) -> float:
    """Return the wait that the upstream asks for with google.rpc.RetryInfo, in seconds.

    If the upstream asks for no wait, or the detail cannot be read, the result is 0.
    """
    info = error_details_pb2.RetryInfo()
    for detail in error.details():
        if detail.Is(info.DESCRIPTOR):
            try:
                detail.Unpack(info)
            except DecodeError:
                continue
            delay = info.retry_delay
            return float(delay.seconds + delay.nanos / 1e9)
    return 0.0
