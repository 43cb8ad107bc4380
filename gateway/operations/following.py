"""Follows operations until they are done."""

from __future__ import annotations

import random
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from gateway.errors import Code, GatewayError
from gateway.ledger.batch import Entry
from gateway.ledger.events import OPERATION, make_event, now_us, to_update
from gateway.ledger.operation_facts import read_operation, read_progress
from gateway.operations.own_calls import GET_OPERATION

if TYPE_CHECKING:
    from gateway.call import Reply
    from gateway.ledger.operation_facts import OperationFacts
    from gateway.ledger.work import OpenCall
    from gateway.ledger.writer import LedgerWriter
    from gateway.operations.own_calls import OwnCalls
    from gateway.telemetry import Metrics, Tracing

FIRST_INTERVAL_S = 1.0
LONGEST_INTERVAL_S = 30.0
TOLERATED_S = 10.0
"""The time in which an operation may not be found after the first poll, in seconds."""

_FACTOR = 1.5
_JITTER = 0.2
_MAX_REQUESTED_S = 300.0
_MAX_PROGRESS = 10_000
_POLL_INTERVAL = "x-operation-poll-interval"
_FINAL = {
    Code.INVALID_ARGUMENT,
    Code.NOT_FOUND,
    Code.PERMISSION_DENIED,
    Code.UNAUTHENTICATED,
    Code.UNIMPLEMENTED,
}


class Follower:
    """Polls the operations of calls that this replica has claimed, and records their ends."""

    def __init__(self, calls: OwnCalls, writer: LedgerWriter, metrics: Metrics, tracing: Tracing) -> None:
        self._calls = calls
        self._writer = writer
        self._metrics = metrics
        self._tracing = tracing
        self._progress: OrderedDict[str, dict[str, Any]] = OrderedDict()  # by the ID of the call

    async def poll(self, call: OpenCall) -> float | None:
        """Poll the operation of a call once.

        Return the number of seconds after which to poll again; None if the operation is not followed any
        more.
        """
        method = self._calls.find(GET_OPERATION)
        if method is None:
            self._stop(call, Code.UNIMPLEMENTED)
            return None
        try:
            reply = await self._calls.poll(call, method)
        except GatewayError as error:
            if error.code is Code.NOT_FOUND and call.tries * FIRST_INTERVAL_S < TOLERATED_S:
                return FIRST_INTERVAL_S
            if error.code in _FINAL:
                self._stop(call, error.code)
                return None
            return _interval_s(call)
        facts = read_operation(reply.message)
        if facts.done:
            self.record_end(call, facts)
            return None
        self.record_progress(call, reply.message)
        return max(_interval_s(call), _requested_s(reply))

    def record_progress(self, call: OpenCall, operation: Any) -> None:
        """Record in the ledger that a running operation was modified, once for each modification."""
        facts = read_progress(operation)
        if facts is None or self._progress.get(call.id) == facts:
            return
        self._progress[call.id] = facts
        self._progress.move_to_end(call.id)
        if len(self._progress) > _MAX_PROGRESS:
            self._progress.popitem(last=False)
        # The row of the call stays as it is, because this replica continues to follow the operation.
        self._writer.offer_quietly(Entry(event=make_event(OPERATION, call.id, {"operation": facts})))

    def record_end(self, call: OpenCall, facts: OperationFacts, *, is_claimed: bool = True) -> None:
        """Record the end of an operation in the ledger, the metrics and the trace of its call.

        Args:
            call: the call that started the operation.
            facts: the facts about the operation.
            is_claimed: whether this replica has claimed the call.
        """
        self._add(call, {"operation": facts.to_json()}, is_claimed=is_claimed)
        code = facts.code or Code.UNKNOWN.name
        duration_s = max(0.0, (now_us() - call.time_us) / 1e6)  # the clock may have been set back
        self._metrics.record_operation(duration_s, call.method, code)
        attributes = {
            "rpc.method": call.method,
            "operation.id": facts.id,
            "operation.code": code,
            "resource.id": facts.resource_id or "",
        }
        self._tracing.record_past(
            "operation", call.trace_headers, call.time_us * 1000, attributes, is_failure=code != Code.OK.name
        )

    def _stop(self, call: OpenCall, code: Code) -> None:
        """Record that an operation cannot be followed any more."""
        self._add(call, {"operation": {"id": call.operation_id, "code": code.name}}, is_claimed=True)

    def _add(self, call: OpenCall, facts: dict[str, Any], *, is_claimed: bool) -> None:
        event = make_event(OPERATION, call.id, facts)
        row = to_update({"id": call.id, **facts})
        self._writer.add(Entry(event=event, row=row, fence=call.epoch if is_claimed else None))


def _interval_s(call: OpenCall) -> float:
    interval_s = min(LONGEST_INTERVAL_S, FIRST_INTERVAL_S * _FACTOR ** min(call.tries, 20))
    return interval_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


def _requested_s(reply: Reply) -> float:
    text = reply.metadata.get(_POLL_INTERVAL, "")
    try:
        return min(float(text), _MAX_REQUESTED_S) if text else 0.0
    except ValueError:
        return 0.0
