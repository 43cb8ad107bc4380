"""Polls one operation for all calls that wait for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.operations.waiting.confirmations import Confirmations
    from gateway.operations.waiting.reader import Reading
    from gateway.operations.waiting.topic import OperationTopic
    from gateway.operations.waiting.waiter import Waiter

_log = logging.getLogger(__name__)

_FACTOR = 1.5
_REFUSALS = frozenset(
    {
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.PERMISSION_DENIED,
        Code.UNAUTHENTICATED,
        Code.UNIMPLEMENTED,
    }
)


class _PollingReader(Protocol):
    async def poll(self, get: Call) -> Reading: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often an operation is polled. All times are in seconds.

    Attributes:
        first_s: the time before the first poll, and the shortest time between two polls.
        longest_s: the longest time between two polls if the upstream asks for no other time.
        tolerated_s: the time after the first response in which an operation may not be found. The replicas of
            the upstream may lag behind each other.
        retry_s: the time between attempts to confirm that a caller may read an operation.
    """

    first_s: float = 1.0
    longest_s: float = 5.0
    tolerated_s: float = 10.0
    retry_s: float = 1.0


class Poller:
    """Polls operations. Each poll uses the credentials of one of the waiting callers."""

    def __init__(self, reader: _PollingReader, confirmations: Confirmations, pace: Pace) -> None:
        self._reader = reader
        self._confirmations = confirmations
        self._pace = pace

    async def run(self, topic: OperationTopic) -> None:
        """Poll an operation until it is done, or no caller that may read it waits."""
        try:
            await self._run(topic)
        except Exception:  # noqa: BLE001 - a failure of the gateway itself must not leave callers waiting
            _log.exception("polling failed")
            error = GatewayError(Code.INTERNAL, "INTERNAL", "the gateway failed to poll the operation")
            for waiter in topic.waiters:
                waiter.end(error)

    async def _run(self, topic: OperationTopic) -> None:
        own_s = self._pace.first_s
        await asyncio.sleep(self._interval_s(topic, own_s))
        while (waiter := topic.choose_reader()) is not None:
            if await self._poll(topic, waiter):
                if topic.state is not None and topic.state.is_done:
                    return
                own_s = min(own_s * _FACTOR, self._pace.longest_s)
                await asyncio.sleep(self._interval_s(topic, own_s))

    async def _poll(self, topic: OperationTopic, waiter: Waiter) -> bool:
        """Poll an operation once. Return false if the credentials were refused, so that others are used."""
        try:
            topic.publish(await self._reader.poll(waiter.get))
        except GatewayError as error:
            if error.code not in _REFUSALS or self._is_early(topic, error):
                return True  # the upstream may recover; waiters have time limits of their own
            self._confirmations.drop(topic.operation_id, waiter.credentials)
            topic.refuse(waiter.credentials, error)
            return False
        return True

    def _is_early(self, topic: OperationTopic, error: GatewayError) -> bool:
        age_s = asyncio.get_running_loop().time() - topic.found_at
        return error.code is Code.NOT_FOUND and age_s < self._pace.tolerated_s

    def _interval_s(self, topic: OperationTopic, own_s: float) -> float:
        return max(self._pace.first_s, topic.requested_s) if topic.requested_s else own_s
