"""The reporter, which reports decisions, and the calls that ended without a decision."""

from __future__ import annotations

import logging
from contextlib import aclosing
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from gateway.audit.record import Refusal, redact_request, to_record, to_refusal_record
from gateway.audit.record_line import RecordLines
from gateway.call import Reply, ReplyStream
from gateway.errors import Code, GatewayError
from gateway.ledger import CallRecord
from gateway.telemetry import Reason, SharedAttributes, add_event, keep, trace_id_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Mapping
    from types import TracebackType

    from google.protobuf.message import Message

    from gateway.audit.record import ToTree
    from gateway.audit.record_writer import Record, RecordWriter
    from gateway.call import Call
    from gateway.ledger import Ledger
    from gateway.object_storage import Hosts
    from gateway.policy import Decision
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)
_NS_PER_S = 1e9
_CACHED = 1024  # maximum number of entries in the cache


class Reporter:
    """Reports the calls of one snapshot."""

    def __init__(
        self,
        writer: RecordWriter,
        metrics: Metrics,
        to_tree: ToTree,
        hosts: Hosts,
        ledger: Ledger | None = None,
    ) -> None:
        """Initialize the reporter.

        Args:
            writer: the writer of the records.
            metrics: the metrics that count decisions.
            to_tree: a function that returns the JSON value of a request.
            hosts: the hosts of Object Storage.
            ledger: the ledger; None if there is no ledger.
        """
        self._ledger = ledger
        self._writer = writer
        self._metrics = metrics
        self._to_tree = to_tree
        self._hosts = hosts
        self._lines = RecordLines(to_tree, hosts)

    async def report_decision(self, call: Call, decision: Decision) -> CallRecord | None:
        """Report a decision in the trace and the metrics, and write the record of the decision.

        A call of a read method is not in the decision log if no binding applies to the method, because no
        policy decided on this call. The ledger records each call: a denied call now, a read when it has
        ended, and a change before it is forwarded.

        Return the record for the ledger; None if there is no ledger, or the ledger has the record already.

        Raises:
            GatewayError: the record cannot be kept, so the call must not continue.
        """
        self._trace(call, decision)
        self._count(decision)
        is_logged = self._writer.is_kept and (decision.is_evaluated or not call.method.is_read)
        if self._ledger is None:
            if is_logged:
                await self._write(call, self._make_line(call, decision))
            return None
        facts = to_record(
            decision,
            self._to_tree,
            self._hosts,
            call_id=call.id,
            trace_id=trace_id_of(call.span),
            idempotency_key=call.idempotency_key,
            mode=call.mode,
        )
        if is_logged:
            await self._write(call, facts)
        record = self._to_call_record(call, facts, decision)
        if decision.is_allowed or call.mode.is_observing:
            return record
        self._ledger.record_end(record, call.request, "denied", Code.PERMISSION_DENIED)
        return None

    def _make_line(self, call: Call, decision: Decision) -> Callable[[], bytes]:
        """Return the function that encodes the record of a decision.

        The function waits in a queue, so it must not hold the credentials of the call.
        """
        encode, call_id, trace_id = self._lines.encode, call.id, trace_id_of(call.span)
        key, mode = call.idempotency_key, call.mode

        def make_line() -> bytes:
            return encode(decision, call_id=call_id, trace_id=trace_id, idempotency_key=key, mode=mode)

        # What is observed later is not part of the record.
        return partial(bytes, make_line()) if mode.is_observing else make_line

    async def _write(self, call: Call, record: Record) -> None:
        try:
            await self._writer.write(record, call.mode.limit_wait(call.deadline))
        except GatewayError as error:
            call.mode.refuse(error)

    def _to_call_record(self, call: Call, facts: Mapping[str, Any], decision: Decision) -> CallRecord:
        if call.mode.is_observing:  # not plain: an intent without the request is never sent again
            return CallRecord(facts=facts, is_evaluated=decision.is_evaluated, is_observed=True)
        if decision.request is decision.input.request:
            is_plain = not facts["is_masked"]
            return CallRecord(facts=facts, is_evaluated=decision.is_evaluated, is_plain=is_plain)
        forwarded, is_whole = redact_request(decision.request, self._to_tree)
        return CallRecord(
            facts=facts,
            is_evaluated=decision.is_evaluated,
            is_plain=is_whole and not facts["is_masked"],
            forwarded=forwarded,
        )

    def recording(self, call: Call, record: CallRecord | None) -> ReadRecording:
        """Return a context manager that records a read when it has ended."""
        return ReadRecording(self._ledger, call, record)

    def report_invalid(self, call: Call, error: GatewayError, *, is_forwarded: bool) -> CallRecord | None:
        """Record a call with an invalid request. This function does not wait until the record is written.

        Return the record for the ledger if the call is forwarded all the same; otherwise None.
        """
        return self.report_refusal(
            Refusal(
                call_id=call.id,
                trace_id=trace_id_of(call.span),
                method=call.method.name,
                caller=call.caller,
                error=error,
                idempotency_key=call.idempotency_key,
                request=call.request,
                mode=call.mode,
                is_forwarded=is_forwarded,
            )
        )

    def report_refusal(self, refusal: Refusal) -> CallRecord | None:
        """Record a call that no policy was evaluated on.

        This function does not wait until the record is written. Return the record for the ledger if the call
        continues; otherwise None.
        """
        if not self._writer.is_kept and self._ledger is None:
            return None
        facts = to_refusal_record(refusal, self._to_tree, self._hosts)
        if self._writer.is_kept:
            self._writer.offer(facts)
        if self._ledger is None:
            return None
        record = CallRecord(facts=facts, is_observed=refusal.mode.is_observing)
        if refusal.is_forwarded:
            return record
        self._ledger.record_end(record, refusal.request, refusal.outcome, refusal.error.code)
        return None

    def _trace(self, call: Call, decision: Decision) -> None:
        attributes: dict[str, str | list[str]] = {"decision.id": decision.id}
        if decision.waived:
            attributes["decision.waivers"] = list(decision.waivers)
        if decision.mutations:
            attributes["decision.mutations"] = [one.field for one in decision.mutations if one.is_made]
        violations = tuple([f"{one.action}: {one.reason}" for one in decision.violations])
        add_event(
            call.span,
            "decision",
            attributes,
            describe_decision(decision.outcome, decision.bundle, violations),
        )
        call.facts["decision"] = decision.outcome
        if not decision.is_allowed:
            keep(call.span, Reason.DENIED)

    def _count(self, decision: Decision) -> None:
        metrics = self._metrics
        duration_s = decision.duration_ns / _NS_PER_S
        metrics.record_decision(duration_s, decision.method, is_allowed=decision.is_allowed)
        for one in decision.violations:
            metrics.record_violation(one.policy, one.reason, one.action, is_allowed=decision.is_allowed)
        for one in decision.waived:
            metrics.record_waiver(one.waiver)
        for mutation in decision.mutations:
            if mutation.is_made:
                metrics.record_mutation(mutation.policy)


class ReadRecording:
    """A context manager that records in the ledger how the read in its `with` block has ended.

    If the reply is a stream, the read is recorded when the stream has ended.
    """

    __slots__ = ("_call", "_ledger", "_record")

    def __init__(self, ledger: Ledger | None, call: Call, record: CallRecord | None) -> None:
        self._ledger = ledger
        self._call = call
        self._record = record

    def __enter__(self) -> None:
        """Start the read.

        Raises:
            GatewayError: the record of the read could not be kept, so the read must not be forwarded.
        """
        if self._ledger is not None and self._record is not None:
            try:
                self._ledger.admit_read()
            except GatewayError as error:
                self._call.mode.refuse(error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._end(error.code if isinstance(error, GatewayError) else Code.CANCELLED)

    def watch(self, reply: Reply | ReplyStream) -> Reply | ReplyStream:
        """Record a read that has succeeded, or return a stream that is recorded when it ends."""
        if self._ledger is None or self._record is None:
            return reply
        if isinstance(reply, Reply):
            self._end(Code.OK)
            return reply
        return ReplyStream(self._watch(reply))

    async def _watch(self, replies: ReplyStream) -> AsyncGenerator[Message, None]:
        code = Code.CANCELLED  # the caller closes the stream before its end
        try:
            async with aclosing(replies):
                async for message in replies:
                    yield message
            code = Code.OK
        except GatewayError as error:
            code = error.code
            raise
        finally:
            self._end(code)

    def _end(self, code: Code) -> None:
        if self._ledger is not None and self._record is not None:
            outcome = "ok" if code is Code.OK else "error"
            self._ledger.record_end(self._record, self._call.request, outcome, code, is_admitted=True)


@lru_cache(_CACHED)
def describe_decision(outcome: str, bundle: str, violations: tuple[str, ...]) -> SharedAttributes:
    """Return the attributes of all events of decisions that are the same in these respects."""
    return SharedAttributes(
        {"decision.outcome": outcome, "decision.violations": violations, "bundle.hash": bundle}
    )


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
