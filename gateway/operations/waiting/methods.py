"""The methods of the service baremetal_gateway.v1.Operations, which the gateway itself serves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.call import Reply, ReplyStream
from gateway.errors import FieldViolation
from gateway.ledger.operation_facts import is_operation
from gateway.operations.own_calls import GET_OPERATION
from gateway.operations.waiting.hub import deadline_exceeded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from google.protobuf.message import Message

    from gateway.call import Call
    from gateway.limits import Slot
    from gateway.operations.waiting.hub import WaitingHub
    from gateway.operations.waiting.operation_state import OperationState
    from gateway.schema import Method

SERVICE = "baremetal_gateway.v1.Operations"
WAIT = f"{SERVICE}/Wait"
WATCH = f"{SERVICE}/Watch"
DEFAULT_S = 30.0
"""The timeout of a wait whose caller sets none, in seconds."""

_MAX_NANOS = 999_999_999


class WaitingMethods:
    """Serves Wait and Watch for one snapshot."""

    def __init__(self, hub: WaitingHub, methods: Mapping[str, Method], max_wait_s: float) -> None:
        """Initialize the methods.

        Args:
            hub: the hub of the process.
            methods: the methods of the snapshot, keyed by their full names.
            max_wait_s: the longest timeout that a caller may ask for, in seconds.
        """
        self._hub = hub
        self._get = methods.get(GET_OPERATION.lstrip("/"))
        self._max_wait_s = max_wait_s

    def find_violations(self, method: str, request: Any) -> list[FieldViolation]:
        """Return the violations of limits that the configuration sets."""
        if method != WAIT or not request.HasField("timeout"):
            return []
        timeout = request.timeout
        is_malformed = abs(timeout.nanos) > _MAX_NANOS
        if not is_malformed and timeout.nanos >= 0 and 0 <= _to_seconds(timeout) <= self._max_wait_s:
            return []
        description = f"{_show(timeout)} is not allowed; it must be from 0s to {self._max_wait_s:g}s"
        return [FieldViolation(field="timeout", description=description, reason="VALUE")]

    def note_reply(self, call: Call, message: Message) -> None:
        """Note the operation that a call has started."""
        if not call.method.is_read and is_operation(message):
            self._hub.note_started(call, message)

    async def handle(
        self, call: Call, slot: Slot, permit: Callable[[Call], Awaitable[Call]]
    ) -> Reply | ReplyStream:
        """Return the response to a call. The slot of the call is released, because the call may last long.

        Args:
            call: the call.
            slot: the slot of the call.
            permit: a function that decides on a call, and returns it with the mutated request.

        Raises:
            GatewayError: the operation cannot be read, or a policy does not let the caller read it.
        """
        get = await permit(self._to_get(call))
        slot.release()
        if call.method.server_streaming:
            return ReplyStream(self._watch(call, get))
        return Reply(message=await self._wait(call, get), metadata={})

    def _to_get(self, call: Call) -> Call:
        """Return the call of OperationService/Get that reads the same operation."""
        if self._get is None:
            raise LookupError(GET_OPERATION)
        asked: Any = call.request
        request = self._get.request(operation_id=asked.operation_id)
        return replace(call, method=self._get, request=request, raw=None)

    async def _wait(self, call: Call, get: Call) -> Message:
        asked: Any = call.request
        timeout_s = _to_seconds(asked.timeout) if asked.HasField("timeout") else self._default_s
        until, limit = asyncio.get_running_loop().time() + timeout_s, call.caller_deadline
        with self._hub.admit(get) as waiter:
            # The first response may take as long as for any other read.
            state = await self._hub.read_first(waiter, until, min(max(until, call.deadline), limit))
            while not state.is_done:
                found = await self._hub.read_next(waiter, state.id, min(until, limit))
                if found is None:
                    break
                state = found
        if not state.is_done and limit <= until:
            raise deadline_exceeded()
        return _to_message(call, state)

    async def _watch(self, call: Call, get: Call) -> AsyncGenerator[Message, None]:
        limit = call.caller_deadline
        with self._hub.admit(get) as waiter:
            state = await self._hub.read_first(waiter, call.deadline, min(call.deadline, limit))
            yield _to_message(call, state)
            while not state.is_done:
                found = await self._hub.read_next(waiter, state.id, limit)
                if found is None:
                    raise deadline_exceeded()
                state = found
                yield _to_message(call, state)

    @property
    def _default_s(self) -> float:
        return min(DEFAULT_S, self._max_wait_s)


def _to_message(call: Call, state: OperationState) -> Message:
    """Return the Operation as a message of the call's schema. A reload may have replaced the schema."""
    message: Message = state.message
    if isinstance(message, call.method.reply):
        return message
    return call.method.reply.FromString(message.SerializeToString())


def _to_seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


def _show(duration: Any) -> str:
    return f"{_to_seconds(duration):.9f}".rstrip("0").rstrip(".") + "s"
