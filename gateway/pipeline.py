"""The way of a call, from either listener: nothing reaches an upstream but through here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.audit.reporter import report_abandoned
from gateway.call import ReplyStream
from gateway.errors import MAX_VIOLATIONS, GatewayError, invalid_request
from gateway.policy import PolicyInput
from gateway.upstream import DetachedStream
from gateway.validation import REQUIRED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.protobuf.message import Message

    from gateway.audit.reporter import CallLog
    from gateway.audit.shadow import Shadow
    from gateway.call import Call, Reply
    from gateway.errors import FieldViolation
    from gateway.limits import ConcurrencyLimit, Slot
    from gateway.policy import Decider, Decision
    from gateway.upstream import Forwarder
    from gateway.validation import Validator


class Pipeline:
    """Takes calls through every stage, with one schema and one bundle."""

    def __init__(
        self,
        concurrency: ConcurrencyLimit,
        decider: Decider,
        validator: Validator,
        log: CallLog,
        forwarder: Forwarder,
        shadow: Shadow | None = None,
    ) -> None:
        self._concurrency = concurrency
        self._decider = decider
        self._validator = validator
        self._log = log
        self._forwarder = forwarder
        self._shadow = shadow

    async def handle(self, call: Call) -> Reply:
        """Return the upstream's answer to a call that is valid and allowed.

        Raises:
            GatewayError: the call ends otherwise.
        """
        with self._concurrency.admit() as slot:
            decision = await self._pass(call)
            with _warned(decision):
                reply = await self._forward(replace(call, request=decision.request), slot)
            return replace(reply, warnings=decision.warnings())

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[ReplyStream]:
        """Open the upstream's stream of answers, as handle does for a single one."""
        with self._concurrency.admit() as slot:
            decision = await self._pass(call)
            with _warned(decision):
                async with self._forward_stream(replace(call, request=decision.request), slot) as replies:
                    yield replace(replies, warnings=decision.warnings())

    async def drain(self) -> None:
        """Wait for what was forwarded and has lost its caller."""
        if self._concurrency.forwarding:
            await asyncio.wait(self._concurrency.forwarding)

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
        if not _may_be_filled_in(violations):
            raise invalid_request("the request is not valid", violations)
        policy_input = PolicyInput(call.method.name, call.request, call.caller, datetime.now(UTC))
        mutated = self._decider.mutate(policy_input)
        if mutated.mutations:
            violations = self._find_violations(call.method.name, mutated.request)
        if violations:
            raise invalid_request("the request is not valid", mutated.name_policies(violations))
        return self._decider.evaluate(mutated)

    def _find_violations(self, method: str, request: Message) -> list[FieldViolation]:
        violations = self._validator.validate(request)
        if _may_be_filled_in(violations):
            violations += self._decider.find_oversized(method, request)
        return violations

    async def _forward(self, call: Call, slot: Slot) -> Reply:
        """Forward a call; one that changes something goes on to its end when its caller goes away."""
        if call.method.is_read:
            return await self._forwarder.forward(call)
        task = asyncio.ensure_future(self._forwarder.forward(call))
        slot.hold_for(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: report_abandoned(call, done))
            raise

    @asynccontextmanager
    async def _forward_stream(self, call: Call, slot: Slot) -> AsyncIterator[ReplyStream]:
        """Open a stream, with the same promise for one that changes something."""
        if call.method.is_read:
            async with self._forwarder.stream(call) as replies:
                yield replies
            return
        stream = DetachedStream(self._forwarder.stream(call))
        slot.hold_for(stream.task)
        try:
            yield ReplyStream(messages=stream.messages())
        finally:
            if not stream.task.done():
                stream.task.add_done_callback(lambda done: report_abandoned(call, done))
            stream.leave()


def _may_be_filled_in(violations: list[FieldViolation]) -> bool:
    """Whether nothing is wrong with a request but fields that are not set, which policies may set."""
    return len(violations) <= MAX_VIOLATIONS and all(one.reason == REQUIRED for one in violations)


@contextmanager
def _warned(decision: Decision) -> Iterator[None]:
    """Let the warnings of a decision go with the error that ends the block, too."""
    try:
        yield
    except GatewayError as error:
        error.warnings += decision.warnings()
        raise
