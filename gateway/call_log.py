"""Tells of each decision, and of calls whose outcome no caller is there to hear."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    import asyncio

    from gateway.call import Call, Reply
    from gateway.policy import Decision
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)
_NS_PER_S = 1e9


def report_decision(call: Call, decision: Decision, metrics: Metrics) -> None:
    """Tell of a decision in the trace, the metrics and, when any binding was about the method, the log."""
    outcome = "allow" if decision.is_allowed else "deny"
    broken = [f"{one.action}: {one.reason}" for one in decision.violations]
    call.span.add_event(
        "decision",
        {
            "decision.id": decision.id,
            "decision.outcome": outcome,
            "decision.violations": broken,
            "bundle.hash": decision.bundle,
        },
    )
    duration_s = decision.duration_ns / _NS_PER_S
    metrics.record_decision(duration_s, decision.method, is_allowed=decision.is_allowed)
    for one in decision.violations:
        metrics.record_violation(one.reason, one.action)
    if decision.is_judged:
        fields = {
            "call_id": call.id,
            "trace_id": trace_id_of(call.span),
            "method": decision.method,
            "decision_id": decision.id,
            "decision": outcome,
            "violations": broken,
            "bundle": decision.bundle,
            "duration_us": decision.duration_ns // 1000,
        }
        _log.info("decision", extra=fields)


def report_abandoned(call: Call, task: asyncio.Task[Reply]) -> None:
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
