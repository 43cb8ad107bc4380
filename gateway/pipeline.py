"""The way of a call, from either listener: nothing reaches an upstream but through here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.call_log import report_abandoned
from gateway.errors import MAX_VIOLATIONS, GatewayError, invalid_request
from gateway.policy import PolicyInput
from gateway.validation import REQUIRED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.protobuf.message import Message

    from gateway.admission import Admission
    from gateway.call import Call, Reply, ReplyStream
    from gateway.call_log import CallLog
    from gateway.errors import FieldViolation
    from gateway.policy import Decider, Decision
    from gateway.shadow import Shadow
    from gateway.upstream import Forwarder
    from gateway.validation import Validator


class Pipeline:
    """Takes calls through every stage, with one schema and one bundle."""

    def __init__(
        self,
        admission: Admission,
        decider: Decider,
        validator: Validator,
        log: CallLog,
        forwarder: Forwarder,
        shadow: Shadow | None = None,
    ) -> None:
        self._admission = admission
        self._decider = decider
        self._validator = validator
        self._log = log
        self._forwarder = forwarder
        self._shadow = shadow
        self._forwarding = admission.forwarding

    async def handle(self, call: Call) -> Reply:
        """Return the upstream's answer to a call that is valid and allowed.

        Raises:
            GatewayError: the call ends otherwise.
        """
        with self._admission.admit():
            decision = await self._pass(call)
            with _warned(decision):
                reply = await self._forward(replace(call, request=decision.request))
            return replace(reply, warnings=decision.warnings())

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[ReplyStream]:
        """Open the upstream's stream of answers, as handle does for a single one."""
        with self._admission.admit():
            decision = await self._pass(call)
            with _warned(decision):
                async with self._forwarder.stream(replace(call, request=decision.request)) as replies:
                    yield replace(replies, warnings=decision.warnings())

    async def drain(self) -> None:
        """Wait for what was forwarded and has lost its caller."""
        if self._forwarding:
            await asyncio.wait(self._forwarding)

    async def _pass(self, call: Call) -> Decision:
        """Return the decision on a call that may go on; its record is kept by then."""
        decision = self._decide(call)
        await self._log.report(call, decision)
        if self._shadow is not None:
            asyncio.get_running_loop().call_soon(self._shadow.compare, call, decision)
        if not decision.is_allowed:
            raise decision.to_error()
        return decision

    def _decide(self, call: Call) -> Decision:
        """Let policies fill the request in, then judge it; no policy sees what the API would not take."""
        violations = self._find_violations(call.method.name, call.request)
        if len(violations) > MAX_VIOLATIONS or any(one.reason != REQUIRED for one in violations):
            raise invalid_request("the request is not valid", violations)
        asked = PolicyInput(call.method.name, call.request, call.caller, datetime.now(UTC))
        draft = self._decider.mutate(asked)
        if draft.mutations:
            violations = self._find_violations(call.method.name, draft.request)
        if violations:
            raise invalid_request("the request is not valid", draft.tell_authors(violations))
        return self._decider.judge(draft)

    def _find_violations(self, method: str, request: Message) -> list[FieldViolation]:
        return self._validator.validate(request) + self._decider.find_oversized(method, request)

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


@contextmanager
def _warned(decision: Decision) -> Iterator[None]:
    """Let the warnings of a decision go with the error that ends the block, too."""
    try:
        yield
    except GatewayError as error:
        error.warnings += decision.warnings()
        raise
