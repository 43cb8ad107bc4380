"""The reporter, which reports decisions, and the calls that ended without a decision."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.audit.record import Refusal, to_record, to_refusal_record
from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    import asyncio

    from gateway.audit.record import ToTree
    from gateway.audit.record_writer import RecordWriter
    from gateway.call import Call
    from gateway.errors import GatewayError
    from gateway.object_storage import Hosts
    from gateway.policy import Decision
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)
_NS_PER_S = 1e9


class Reporter:
    """Reports the calls of one snapshot."""

    def __init__(self, writer: RecordWriter, metrics: Metrics, to_tree: ToTree, hosts: Hosts) -> None:
        """Initialize the reporter.

        Args:
            writer: the writer of the records.
            metrics: the metrics that count decisions.
            to_tree: a function that returns the JSON value of a request.
            hosts: the hosts of Object Storage.
        """
        self._writer = writer
        self._metrics = metrics
        self._to_tree = to_tree
        self._hosts = hosts

    async def report_decision(self, call: Call, decision: Decision) -> None:
        """Report a decision in the trace and the metrics, and write the record of the decision.

        A call of a read method is not recorded if no binding applies to the method, because no policy decided
        on this call.

        Raises:
            GatewayError: the record cannot be kept, so the call must not continue.
        """
        self._trace(call, decision)
        self._count(decision)
        if self._writer.is_kept and (decision.is_evaluated or not call.method.is_read):
            record = to_record(
                decision,
                self._to_tree,
                self._hosts,
                call_id=call.id,
                trace_id=trace_id_of(call.span),
                idempotency_key=call.idempotency_key,
            )
            await self._writer.write(record, call.deadline)

    def report_invalid(self, call: Call, error: GatewayError) -> None:
        """Record a call with an invalid request. This function does not wait until the record is written."""
        self.report_refusal(
            Refusal(
                call_id=call.id,
                trace_id=trace_id_of(call.span),
                method=call.method.name,
                caller=call.caller,
                error=error,
                idempotency_key=call.idempotency_key,
                request=call.request,
            )
        )

    def report_refusal(self, refusal: Refusal) -> None:
        """Record a call that ended before any policy was evaluated.

        This function does not wait until the record is written.
        """
        if self._writer.is_kept:
            self._writer.offer(to_refusal_record(refusal, self._to_tree, self._hosts))

    def _trace(self, call: Call, decision: Decision) -> None:
        attributes = {
            "decision.id": decision.id,
            "decision.outcome": decision.outcome,
            "decision.violations": [f"{one.action}: {one.reason}" for one in decision.violations],
            "bundle.hash": decision.bundle,
        }
        if decision.waived:
            attributes["decision.waivers"] = list(decision.waivers)
        if decision.mutations:
            attributes["decision.mutations"] = [one.field for one in decision.mutations if one.is_made]
        call.span.add_event("decision", attributes)

    def _count(self, decision: Decision) -> None:
        metrics = self._metrics
        duration_s = decision.duration_ns / _NS_PER_S
        metrics.record_decision(duration_s, decision.method, is_allowed=decision.is_allowed)
        for one in decision.violations:
            metrics.record_violation(one.reason, one.action)
        for one in decision.waived:
            metrics.record_waiver(one.waiver)
        for mutation in decision.mutations:
            if mutation.is_made:
                metrics.record_mutation(mutation.policy)


def report_abandoned(call: Call, task: asyncio.Task[Any]) -> None:
    """Log the outcome of a forwarded call whose caller has disconnected."""
    if task.cancelled():
        outcome = "cancelled"
    else:
        failure = task.exception()
        outcome = "ok" if failure is None else str(failure)
    fields = {
        "call_id": call.id,
        "trace_id": trace_id_of(call.span),
        "method": call.method.name,
        "outcome": outcome,
    }
    _log.warning("ended without its caller", extra=fields)
