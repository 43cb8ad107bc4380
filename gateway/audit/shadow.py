"""The shadow bundle. Its decisions are compared with the decisions of the active bundle, but not enforced."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.policy import Decider, Decision
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)


class Shadow:
    """Compares the decisions of the shadow bundle with the decisions of the active bundle."""

    def __init__(self, decider: Decider, metrics: Metrics) -> None:
        self._decider = decider
        self._metrics = metrics

    @property
    def bundle_hash(self) -> str:
        """The hash of the shadow bundle."""
        return self._decider.bundle.hash

    def compare(self, call: Call, decision: Decision) -> None:
        """Evaluate a call with the shadow bundle, and report any difference. This method never raises."""
        try:
            if self._decider.find_oversized(decision.method, decision.input.request):
                self._metrics.record_shadow("too large")
                return
            other = self._decider.decide(decision.input)
            outcome = compare_outcomes(decision, other)
        except Exception:  # noqa: BLE001 - no failure of the shadow bundle may end a call
            self._metrics.record_shadow("failed")
            _log.exception("shadow failed", extra={"call_id": call.id, "method": decision.method})
            return
        self._metrics.record_shadow(outcome)
        if outcome != "same":
            fields = {
                "call_id": call.id,
                "trace_id": trace_id_of(call.span),
                "method": decision.method,
                "decision_id": decision.id,
                "outcome": outcome,
                "in_force": _describe(decision),
                "shadow": _describe(other),
                "bundle": decision.bundle,
                "shadow_bundle": other.bundle,
            }
            _log.info("shadow differs", extra=fields)


def compare_outcomes(decision: Decision, other: Decision) -> str:
    """Return how the decision of the shadow bundle differs from the decision of the active bundle.

    The result is `same`, `would deny` or `would allow`. It is `other` if both decisions allow the call, or
    both deny it, but the violations or the mutations differ.

    Args:
        decision: the decision of the active bundle.
        other: the decision of the shadow bundle.
    """
    if decision.is_allowed and not other.is_allowed:
        return "would deny"
    if not decision.is_allowed and other.is_allowed:
        return "would allow"
    is_same = _describe(decision) == _describe(other) and decision.request == other.request
    return "same" if is_same else "other"


def _describe(decision: Decision) -> list[str]:
    shown = [f"{one.action}: {one.reason}" for one in decision.violations]
    shown += [f"waived: {one.reason}" for one in decision.waived]
    return shown + [f"set: {one.field}" for one in decision.mutations if one.is_made]
