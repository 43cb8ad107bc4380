"""The way of a call, from either listener: nothing reaches an upstream but through here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.call_log import report_abandoned, report_decision
from gateway.errors import invalid_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.admission import Admission
    from gateway.call import Call, Reply, ReplyStream
    from gateway.policy import Decider, Decision
    from gateway.telemetry import Metrics
    from gateway.upstream import Forwarder
    from gateway.validation import Validator


class Pipeline:
    """Takes calls through every stage, with one schema and one bundle."""

    def __init__(
        self,
        admission: Admission,
        validator: Validator,
        decider: Decider,
        forwarder: Forwarder,
        metrics: Metrics,
    ) -> None:
        self._admission = admission
        self._validator = validator
        self._decider = decider
        self._forwarder = forwarder
        self._metrics = metrics
        self._forwarding = admission.forwarding

    async def handle(self, call: Call) -> Reply:
        """Return the upstream's answer to a call that is valid and allowed.

        Raises:
            GatewayError: the call ends otherwise.
        """
        with self._admission.admit():
            decision = self._judge(call)
            reply = await self._forward(call)
            return replace(reply, warnings=decision.warnings())

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[ReplyStream]:
        """Open the upstream's stream of answers, as handle does for a single one."""
        with self._admission.admit():
            decision = self._judge(call)
            async with self._forwarder.stream(call) as replies:
                yield replace(replies, warnings=decision.warnings())

    async def drain(self) -> None:
        """Wait for what was forwarded and has lost its caller."""
        if self._forwarding:
            await asyncio.wait(self._forwarding)

    def _judge(self, call: Call) -> Decision:
        violations = self._validator.validate(call.request)
        if violations:
            raise invalid_request("the request is not valid", violations)
        decision = self._decider.decide(call.method.name, call.request, datetime.now(UTC))
        report_decision(call, decision, self._metrics)
        if not decision.is_allowed:
            raise decision.to_error()
        return decision

    async def _forward(self, call: Call) -> Reply:
        """Forward a call; one that changes something goes on to its end when its caller goes away."""
        if call.method.is_read:
            return await self._forwarder.forward(call)
        task = asyncio.ensure_future(self._forwarder.forward(call))
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: report_abandoned(call, done))
            raise
