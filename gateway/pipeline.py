"""The way of a call, from either listener: nothing reaches an upstream but through here."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.errors import Code, GatewayError, invalid_request
from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.call import Call, Reply
    from gateway.policy import Decider, Decision
    from gateway.telemetry import Metrics
    from gateway.upstream import Forwarder
    from gateway.validation import Validator

_log = logging.getLogger(__name__)


class Pipeline:
    """Takes calls through every stage.

    Attributes:
        decider: the bundle in force; a reload puts another in its place.
    """

    def __init__(
        self, validator: Validator, decider: Decider, forwarder: Forwarder, metrics: Metrics, concurrency: int
    ) -> None:
        self.decider = decider
        self._validator = validator
        self._forwarder = forwarder
        self._metrics = metrics
        self._concurrency = concurrency
        self._active = 0

    async def handle(self, call: Call) -> Reply:
        """Return the upstream's answer to a call that is valid and allowed.

        Raises:
            GatewayError: the call ends otherwise.
        """
        with self._admit():
            self._validate(call)
            decision = self._decide(call)
            reply = await self._forwarder.forward(call)
            return replace(reply, warnings=decision.warnings())

    @contextmanager
    def _admit(self) -> Iterator[None]:
        if self._active >= self._concurrency:
            message = f"{self._concurrency} calls are under way; try again later"
            raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", message)
        self._active += 1
        self._metrics.change_active(1)
        try:
            yield
        finally:
            self._active -= 1
            self._metrics.change_active(-1)

    def _validate(self, call: Call) -> None:
        violations = self._validator.validate(call.request)
        if violations:
            raise invalid_request("the request is not valid", violations)

    def _decide(self, call: Call) -> Decision:
        decision = self.decider.decide(call.method.name, call.request, datetime.now(UTC))
        self._report(call, decision)
        if not decision.is_allowed:
            raise decision.to_error()
        return decision

    def _report(self, call: Call, decision: Decision) -> None:
        """Tell of a decision in the trace, the metrics and the log."""
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
        self._metrics.record_decision(
            decision.duration_ns / 1e9, decision.method, is_allowed=decision.is_allowed
        )
        for one in decision.violations:
            self._metrics.record_violation(one.reason, one.action)
        if not decision.is_judged:
            return
        _log.info(
            "decision",
            extra={
                "call_id": call.id,
                "trace_id": trace_id_of(call.span),
                "method": decision.method,
                "decision_id": decision.id,
                "decision": outcome,
                "violations": broken,
                "bundle": decision.bundle,
                "duration_us": decision.duration_ns // 1000,
            },
        )
