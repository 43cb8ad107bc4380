"""Tells of each decision, and of calls whose outcome no caller is there to hear."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.audit.record import to_record
from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    import asyncio

    from google.protobuf.descriptor_pool import DescriptorPool

    from gateway.audit.decision_log import DecisionLog
    from gateway.call import Call
    from gateway.object_storage import Hosts
    from gateway.policy import Decision
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)
_NS_PER_S = 1e9


class CallLog:
    """Tells of decisions in the trace, the metrics and the decision log."""

    def __init__(self, decisions: DecisionLog, metrics: Metrics, pool: DescriptorPool, hosts: Hosts) -> None:
        """Prepare.

        Args:
            decisions: where records go.
            metrics: that decisions are counted in.
            pool: with the types that requests may carry.
            hosts: of Object Storage.
        """
        self._decisions = decisions
        self._metrics = metrics
        self._pool = pool
        self._hosts = hosts

    async def report(self, call: Call, decision: Decision) -> None:
        """Tell of a decision, and return once its record is kept.

        A read that no binding is about is not recorded: nothing was decided.

        Raises:
            GatewayError: the record cannot be kept, so the call must not go on.
        """
        self._trace(call, decision)
        self._count(decision)
        if self._decisions.is_kept and (decision.is_evaluated or not call.method.is_read):
            trace_id = trace_id_of(call.span)
            record = to_record(decision, self._pool, self._hosts, call_id=call.id, trace_id=trace_id)
            await self._decisions.write(record, call.deadline)

    def _trace(self, call: Call, decision: Decision) -> None:
        facts = {
            "decision.id": decision.id,
            "decision.outcome": decision.outcome,
            "decision.violations": [f"{one.action}: {one.reason}" for one in decision.violations],
            "bundle.hash": decision.bundle,
        }
        if decision.waived:
            facts["decision.waivers"] = list(decision.waivers)
        if decision.mutations:
            facts["decision.mutations"] = [one.field for one in decision.mutations if one.is_made]
        call.span.add_event("decision", facts)

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
    """Log how a forwarded call ended whose caller had gone away."""
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
