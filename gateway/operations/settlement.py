"""Settlement: establishes the outcome of changes whose outcome is not known.

A change is sent again with its idempotency key, if the gateway may do so and has the whole request. If it
cannot be sent again, an image of the same name is evidence for a create. If neither is possible, the outcome
becomes `unknown`. It can still be established by a response that passes through, by a caller that repeats
its key, or by an operator.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from gateway.errors import Code, GatewayError
from gateway.ledger.batch import Entry, StoreError
from gateway.ledger.events import SETTLEMENT, make_event, now_us, to_update
from gateway.ledger.intent import CONSEQUENCES, FIRST_POLL_US, UNRELATED, describe_reply
from gateway.operations.image_evidence import look_for_image, name_of
from gateway.operations.own_calls import parse_request
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from gateway.ledger.work import OpenCall, Work
    from gateway.ledger.writer import LedgerWriter
    from gateway.operations.own_calls import OwnCalls
    from gateway.telemetry import Metrics, Tracing

_log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0


class Settler:
    """Settles calls that this replica has claimed."""

    def __init__(
        self,
        work: Work,
        calls: OwnCalls,
        writer: LedgerWriter,
        metrics: Metrics,
        tracing: Tracing,
        resend_within_s: float,
        *,
        may_resend: bool = True,
    ) -> None:
        """Initialize the settler.

        Args:
            work: the open calls.
            calls: the calls that the gateway makes itself.
            writer: the writer of the ledger.
            metrics: the metrics that count settlements.
            tracing: the tracing that starts the spans of calls that are sent again.
            resend_within_s: the age up to which a change is sent again, in seconds.
            may_resend: whether changes are sent again. If not, they wait until they are too old, because the
                gateway may be started again in another mode.
        """
        self._work = work
        self._calls = calls
        self._writer = writer
        self._metrics = metrics
        self._tracing = tracing
        self._resend_within_us = int(resend_within_s * 1e6)
        self._may_resend = may_resend

    async def settle(self, call: OpenCall) -> float | None:
        """Try to settle a call.

        Return the number of seconds after which to try again; None if the call has been settled, or its
        outcome has become `unknown`.
        """
        is_young = now_us() - call.time_us < self._resend_within_us
        try:
            facts = await self._resend(call) if is_young and self._may_resend else None
            if facts is None or _may_be_consequence(call, facts):
                facts = await self._look(call, facts) if call.intent.get("is_followed") else None
        except (GatewayError, StoreError) as error:
            if not is_young:
                self._give_up(call)
                return None
            _log.info("settlement failed", extra={"call_id": call.call_id, "reason": str(error)})
            return _wait_s(call)
        if facts is not None:
            self.record(call, facts)
            return None
        is_held = not self._may_resend and "request" in call.intent
        may_appear = call.intent.get("is_followed") and name_of(call) is not None
        if is_young and (is_held or may_appear):
            return _wait_s(call)
        self._give_up(call)
        return None

    async def _resend(self, call: OpenCall) -> dict[str, Any] | None:
        """Send a change again. Return the facts of an event; None if it cannot be sent.

        Raises:
            GatewayError: the outcome is still not known.
        """
        method = self._calls.find(f"/{call.method}")
        if "request" not in call.intent or method is None:
            return None
        request = parse_request(method, b64decode(call.intent["request"]))
        if request is None:
            return None
        span = self._tracing.start_internal("settle", call.trace_headers, {"rpc.method": call.method})
        try:
            reply = await self._calls.make(
                call, method, request, span=span, key=call.record["idempotency_key"]
            )
        except GatewayError as error:
            if error.may_have_acted or error.code in UNRELATED:
                raise
            shown = {"code": error.code.name, "message": redact_text(error.message)}
            return {"outcome": "error", "by": "resend", **shown}
        finally:
            span.end()
        return {"outcome": "ok", "code": Code.OK.name, "by": "resend", **describe_reply(reply.message)}

    async def _look(self, call: OpenCall, refusal: dict[str, Any] | None) -> dict[str, Any] | None:
        """Look for the image of a create, and return the facts of an event; None if they are not certain.

        Args:
            call: the call.
            refusal: the facts of an event, if the upstream has refused the change when it was sent again.
        """
        facts = await look_for_image(self._calls, call)
        if facts is None:
            return None
        other = await self._work.find_other_create(call, facts["resource"]["id"])
        if other is None:
            return {**facts, "by": "evidence"}
        return refusal if other == "ok" else None

    def _give_up(self, call: OpenCall) -> None:
        if call.outcome != "unknown":
            self.record(call, {"outcome": "unknown", "by": "gateway"})

    def record(self, call: OpenCall, facts: dict[str, Any]) -> None:
        """Record the settlement of a call.

        Args:
            call: the call.
            facts: the facts of the event: `outcome`, `by`, and others.
        """
        operation = facts.get("operation")
        due_us = None
        if operation and not operation["done"] and call.intent.get("is_followed"):
            due_us = now_us() + FIRST_POLL_US
        self._writer.add(
            Entry(
                event=make_event(SETTLEMENT, call.id, facts),
                row=to_update({"id": call.id, **facts}, due_us=due_us),
                frees_key=facts["outcome"] == "error",
                fence=call.epoch,
            )
        )
        self._metrics.record_settlement(facts["outcome"], facts["by"])
        level = logging.WARNING if facts["outcome"] == "unknown" else logging.INFO
        fields = {
            "call_id": call.call_id,
            "trace_id": call.record.get("trace_id", ""),
            "method": call.method,
            "outcome": facts["outcome"],
            "by": facts["by"],
        }
        _log.log(level, "change settled", extra=fields)


def _may_be_consequence(call: OpenCall, facts: dict[str, Any]) -> bool:
    """Return whether a refusal may be a consequence of the first request.

    What a create needs is not removed by this create. So such a refusal only shows that the image exists.
    """
    codes = {Code.ALREADY_EXISTS} if name_of(call) is not None else CONSEQUENCES
    return facts["code"] in {code.name for code in codes}


def _wait_s(call: OpenCall) -> float:
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(call.tries, 10)))
