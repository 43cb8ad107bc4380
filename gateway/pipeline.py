"""The pipeline. Every call from a listener to an upstream passes through the pipeline."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from gateway.audit.reporter import report_abandoned
from gateway.call import Reply
from gateway.errors import MAX_VIOLATIONS, Code, GatewayError, invalid_request
from gateway.policy import PolicyInput
from gateway.upstream import DetachedCall
from gateway.validation import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message

    from gateway.audit.reporter import Reporter
    from gateway.audit.shadow import Shadow
    from gateway.call import Call, ReplyStream
    from gateway.errors import FieldViolation
    from gateway.ledger import CallRecord, Ledger
    from gateway.limits import Slot
    from gateway.policy import Decider, Decision
    from gateway.schema import Method
    from gateway.upstream import RetryingForwarder
    from gateway.validation import Validator


class OwnMethods(Protocol):
    """The methods of a service that the gateway itself serves."""

    def find_violations(self, method: str, request: Message) -> list[FieldViolation]:
        """Return the violations of limits that the configuration sets."""
        ...

    async def handle(
        self, call: Call, slot: Slot, permit: Callable[[Call], Awaitable[Call]]
    ) -> Reply | ReplyStream:
        """Return the response to a call. It may release the slot early.

        The function `permit` decides on a call that the method stands for, and returns it with the mutated
        request.
        """
        ...


class Pipeline:
    """Processes calls with one schema and one bundle."""

    def __init__(
        self,
        decider: Decider,
        validator: Validator,
        reporter: Reporter,
        forwarder: RetryingForwarder,
        shadow: Shadow | None = None,
        ledger: Ledger | None = None,
        observe: Callable[[Message], None] | None = None,
        note_reply: Callable[[Call, Message], None] | None = None,
        own: Mapping[str, OwnMethods] | None = None,
        uncovered: Mapping[str, str] | None = None,
        get_operation: Method | None = None,
    ) -> None:
        """Initialize the pipeline.

        Args:
            decider: evaluates the bundle.
            validator: checks the constraints of the API.
            reporter: records calls.
            forwarder: forwards calls to upstreams.
            shadow: evaluates the shadow bundle; None if there is none.
            ledger: the ledger; None if it is disabled.
            observe: a function that gets each response message.
            note_reply: a function that gets each unary call with its response message.
            own: what serves the gateway's own methods. The keys are the full names of the methods.
            uncovered: the methods that are refused, because no rule is enforced on them, but on a method that
                does the same in another version of the API. The values are the full names of these methods.
            get_operation: the method that reads an operation; None if it is not served.
        """
        self._decider = decider
        self._validator = validator
        self._reporter = reporter
        self._forwarder = forwarder
        self._shadow = shadow
        self._ledger = ledger
        self._observe = observe
        self._note_reply = note_reply
        self._own = own or {}
        self._uncovered = uncovered or {}
        self._get_operation = get_operation

    async def handle(self, call: Call, slot: Slot) -> Reply | ReplyStream:
        """Process a call, and return the upstream's response.

        Args:
            call: the call that the listener has read.
            slot: the slot of the call. If the call is a change, the slot is held until the forwarded change
                has ended.

        Raises:
            GatewayError: the request is not valid, a policy denies the call, or the call has failed.
        """
        permitted = await self._permit(call)
        try:
            if call.method.is_read:
                reply = await self._read(permitted, slot)
            else:
                reply = await self._change(permitted, slot)
        except GatewayError as error:
            error.warnings += permitted.warnings
            raise
        if isinstance(reply, Reply):
            self._look_at(call, reply)
        else:
            reply.observe = self._observe
        return reply.with_warnings(permitted.warnings)

    async def _permit(self, call: Call) -> _Permitted:
        """Decide on a call, and report the decision.

        In the mode `observe`, a call is permitted whatever the decision is, and its request is not mutated.

        Raises:
            GatewayError: the request is not valid, a policy denies the call, or the record cannot be kept.
        """
        is_observing = call.mode.is_observing
        try:
            decision = self._decide(call)
        except GatewayError as error:
            is_forwarded = is_observing and call.method.name not in self._own  # else nobody validates it
            if is_forwarded:
                call.mode.note(error)
            record = self._reporter.report_invalid(call, error, is_forwarded=is_forwarded)
            if is_forwarded:
                return _Permitted(call, record, call)
            raise
        denial = None if decision.is_allowed else decision.to_error()
        if is_observing:
            _note(call, decision, denial)
        record = await self._reporter.report_decision(call, decision)
        if self._shadow is not None:
            asyncio.get_running_loop().call_soon(self._shadow.compare, call, decision)
        if denial is not None and not is_observing:
            raise denial
        forwarded = call if is_observing else _with_request(call, decision.request)
        return _Permitted(call, record, forwarded, decision.warnings())

    def _look_at(self, call: Call, reply: Reply) -> None:
        if self._observe is not None:
            self._observe(reply.message)
        if self._note_reply is not None:
            self._note_reply(call, reply.message)

    def _decide(self, call: Call) -> Decision:
        """Validate the request, mutate it, and evaluate the rules.

        Mutations may set missing required fields. Rules are evaluated only on valid requests.
        """
        method, request = call.method.name, call.request
        if method in self._uncovered:
            raise _not_covered(method, self._uncovered[method])
        violations = self._find_violations(method, request)
        if not _are_only_missing_fields(violations):
            raise invalid_request("the request is not valid", violations)
        mutated = self._decider.mutate(PolicyInput(method, request, call.caller, datetime.now(UTC)))
        if mutated.mutations:
            violations = self._find_violations(method, mutated.request)
        if violations:
            raise invalid_request("the request is not valid", mutated.name_policies(violations))
        return self._decider.evaluate(mutated)

    def _find_violations(self, method: str, request: Message) -> list[FieldViolation]:
        violations = self._validator.validate(request)
        if _are_only_missing_fields(violations):
            violations += self._decider.find_oversized(method, request)
        if (own := self._own.get(method)) is not None:
            violations += own.find_violations(method, request)
        return violations

    async def _read(self, permitted: _Permitted, slot: Slot) -> Reply | ReplyStream:
        """Forward a call that changes nothing, or handle it here, and record it when it has ended."""
        call = permitted.forwarded
        recording = self._reporter.recording(call, permitted.record)
        with recording:
            if (own := self._own.get(call.method.name)) is not None:
                reply = await own.handle(call, slot, self._permit_further)
            else:
                reply = await self._forwarder.forward(call)
        return recording.watch(reply)

    async def _permit_further(self, call: Call) -> Call:
        """Permit the call that one of our own methods stands for. Return it with the mutated request.

        This decision is reported too. The ledger records it if it is a denial.

        Raises:
            GatewayError: the request is not valid, a policy denies the call, or the record cannot be kept.
        """
        return (await self._permit(call)).forwarded

    async def _change(self, permitted: _Permitted, slot: Slot) -> Reply | ReplyStream:
        """Commit the intent of a change, and forward it. It continues even if the caller disconnects."""
        call, forwarded, intent = permitted.call, permitted.forwarded, None
        if self._ledger is not None and permitted.record is not None:
            read = self._read_operation if self._get_operation is not None else None
            found = await self._ledger.begin(call, permitted.record, forwarded.request, read)
            if isinstance(found, Reply):  # an earlier call with the same idempotency key made the change
                return found
            intent = found
        if intent is not None and intent.idempotency_key != call.idempotency_key:
            forwarded = replace(forwarded, idempotency_key=intent.idempotency_key)
        forwarding = self._forwarder.forward(forwarded, intent.note_attempt if intent else None)
        detached = DetachedCall(forwarding, partial(report_abandoned, call), intent.end if intent else None)
        slot.hold_for(detached.task)
        return await detached.reply()

    async def _read_operation(self, call: Call, operation_id: str) -> Reply:
        """Read an operation that an earlier call of the caller has started, with the caller's credentials."""
        method = cast("Method", self._get_operation)
        request = method.request(operation_id=operation_id)
        get = replace(call, method=method, request=request, idempotency_key="")
        return cast("Reply", await self._forwarder.forward(get))


def _not_covered(method: str, other: str) -> GatewayError:
    message = (
        f"the policies of the gateway apply to {other}, but not to {method}, which does the same; "
        f"call {other}, or name both methods in the policies"
    )
    return GatewayError(Code.PERMISSION_DENIED, "NOT_COVERED", message)


class _Permitted(NamedTuple):
    """A call that may be forwarded.

    Attributes:
        call: the call as the caller sent it.
        record: the record for the ledger; None if there is none.
        forwarded: the call with the request that is forwarded.
        warnings: the texts of the warnings.
    """

    call: Call
    record: CallRecord | None
    forwarded: Call
    warnings: tuple[str, ...] = ()


def _note(call: Call, decision: Decision, denial: GatewayError | None) -> None:
    """Note what a decision would do to a call in the mode `enforce`."""
    if denial is not None:
        call.mode.note(denial)
    if decision.request is not call.request:
        call.mode.note_mutation()


def _with_request(call: Call, request: Message) -> Call:
    return call if request is call.request else replace(call, request=request)


def _are_only_missing_fields(violations: list[FieldViolation]) -> bool:
    """Return whether every violation is a missing required field. Policies may set such fields."""
    return not violations or (
        len(violations) <= MAX_VIOLATIONS and all(one.reason == REQUIRED for one in violations)
    )
