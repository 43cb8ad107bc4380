"""Reads operations from the upstream, with the credentials of a waiting caller."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.call import IDEMPOTENCY_KEY, Reply
from gateway.errors import Code, GatewayError
from gateway.operations.own_calls import GET_OPERATION
from gateway.operations.waiting.operation_state import OperationState, read_state
from gateway.telemetry import to_headers, without_sampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.call import Call
    from gateway.operations.own_calls import Serving

POLL_S = 10.0
"""The maximum duration of one poll, in seconds."""
MAX_REQUESTED_S = 60.0
"""The longest time between polls that an upstream can ask for, in seconds."""

_POLL_INTERVAL = "x-operation-poll-interval"


@dataclass(frozen=True, slots=True)
class Reading:
    """A response of the upstream.

    Attributes:
        state: the state of the operation.
        requested_s: the time until the next poll that the upstream asks for, in seconds; 0 for none.
    """

    state: OperationState
    requested_s: float = 0.0


class OperationReader:
    """Calls OperationService/Get with the active snapshot. The number of concurrent calls is limited."""

    def __init__(self, get_serving: Callable[[], Serving], deadline_s: float, concurrency: int) -> None:
        """Initialize the reader.

        Args:
            get_serving: a function that returns what serves at present.
            deadline_s: the maximum duration of a call, in seconds.
            concurrency: the maximum number of concurrent calls.
        """
        self._get_serving = get_serving
        self._deadline_s = deadline_s
        self._slots = asyncio.Semaphore(concurrency)

    async def confirm(self, get: Call) -> Reading:
        """Read the operation for a caller that is new. The call belongs to the caller's trace.

        Raises:
            GatewayError: the call has failed.
        """
        return await self._read(get, self._deadline_s)

    async def poll(self, get: Call) -> Reading:
        """Read the operation for all callers that wait for it. The call is not traced.

        Raises:
            GatewayError: the call has failed.
        """
        parent = to_headers(get.span).get("traceparent", "")
        return await self._read(replace(get, span=without_sampling(parent)), min(POLL_S, self._deadline_s))

    async def _read(self, get: Call, timeout_s: float) -> Reading:
        async with self._slots:
            serving = self._get_serving()
            method = serving.methods.get(GET_OPERATION)
            if method is None:
                raise GatewayError(Code.UNIMPLEMENTED, "METHOD_NOT_FOUND", "operations are not served")
            asked: Any = get.request
            call = replace(
                get,
                method=method,
                request=method.request(operation_id=asked.operation_id),
                metadata={name: value for name, value in get.metadata.items() if name != IDEMPOTENCY_KEY},
                deadline=asyncio.get_running_loop().time() + timeout_s,
                idempotency_key="",
            )
            reply = await serving.forwarder.forward(call)
        if not isinstance(reply, Reply):
            await reply.aclose()
            raise GatewayError(Code.UNIMPLEMENTED, "STREAM", "an operation is read with a unary call")
        return Reading(read_state(reply.message), _requested_s(reply))


def _requested_s(reply: Reply) -> float:
    try:
        seconds = float(reply.metadata.get(_POLL_INTERVAL, "0"))
    except ValueError:
        return 0.0
    return min(seconds, MAX_REQUESTED_S) if math.isfinite(seconds) and seconds > 0 else 0.0
