"""One request and its response. They are identified, traced, measured and logged together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Status, StatusCode

from gateway.audit.record import Refusal
from gateway.call import Call, Caller, RequestHead, choose_idempotency_key
from gateway.config import WAITING_SERVICE
from gateway.errors import INVALID_REQUEST, POLICY_VIOLATION, Code, GatewayError, UpstreamError
from gateway.listeners.metadata import request_id
from gateway.quoting import escape_line
from gateway.redaction import redact_text
from gateway.telemetry import log_fields, set_shared, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message

    from gateway.limits import Slot
    from gateway.listeners.context import ListenerContext
    from gateway.schema import Method
    from gateway.serving.snapshot import Snapshot
    from gateway.telemetry import SharedAttributes
    from gateway.tls import ClientCertificates

_log = logging.getLogger(__name__)

_UNKNOWN = Caller()
_OK = Code.OK  # in Python 3.11, a look-up of a member in its class is slow
_ERROR = Status(StatusCode.ERROR)
_MAX_SHOWN = 256  # maximum number of characters of a caller's text in a span or a log line

FAILURES = frozenset({Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS})
"""The status codes of calls that have failed. Their spans are always exported."""
SERVER_ERRORS = FAILURES | {Code.UNIMPLEMENTED}
"""The status codes that are errors of a SERVER span, as the semantic conventions define."""


class Exchange(ABC):
    """One request and its response.

    Attributes:
        snapshot: the snapshot that serves the whole request.
        started: the time of the event loop's clock when the exchange started, in seconds. Deadlines are
            counted from this time.
        id: the request ID.
        trace_id: the ID of the trace to which the request belongs.
        facts: the facts that are added to every log line about the call.
        caller: the caller; its attributes are empty until the call is admitted.
        method: the called method; None until the method is known.
        error: the error of the response; None if there is none.
        mode: whether a refusal ends the call, or is only observed.
    """

    def __init__(
        self,
        context: ListenerContext,
        snapshot: Snapshot,
        name: str,
        headers: Mapping[str, str],
        attributes: SharedAttributes,
    ) -> None:
        """Start the exchange.

        Args:
            context: the context of the listener.
            snapshot: the snapshot that serves the request.
            name: the name of the span.
            headers: the request headers, which may contain a request ID and a trace context.
            attributes: the attributes of the span.
        """
        self.snapshot = snapshot
        self.started = asyncio.get_running_loop().time()
        # The event loop's clock may have a precision of only one millisecond. This precision is enough for
        # deadlines, but not for durations.
        self._started_ns = time.perf_counter_ns()
        self.id = request_id(headers)
        self.span = context.tracing.start_server(name, headers, attributes)
        self.trace_id = trace_id_of(self.span)
        self.facts: dict[str, str] = {}
        self.error: GatewayError | None = None
        self._tracing = context.tracing
        self.caller = _UNKNOWN
        self.method: Method | None = None
        self.mode = context.make_mode()
        self._is_identified = self._is_admitted = self._is_read = False
        self._own_services = context.own_services
        self._head = context.head
        self._calls = context.calls
        self._task = context.calls.enter()

    async def admit(
        self,
        address: str,
        headers: Sequence[tuple[str, str | bytes]],
        certificate: bytes | None,
        clients: ClientCertificates | None,
    ) -> Slot:
        """Identify the caller, and return the slot of the call.

        This method is called before the request message is received, and after the method of the call was
        looked up.

        Args:
            address: the IP address of the peer.
            headers: the headers or the metadata, with names in lower case.
            certificate: the verified certificate of the caller in DER form; None if there is none.
            clients: checks whether certificates have become invalid since the handshake; None without TLS.

        Raises:
            GatewayError: the call is refused.
        """
        method = self.method.name if self.method is not None else ""
        error = None if certificate is None else _check(certificate, clients)
        head = RequestHead(address, headers, certificate, method, error)
        try:
            self.caller = await self._head.identify(head)
            self._is_identified = True
        except BaseException as failure:
            self.caller = Caller(address=address)
            if not isinstance(failure, GatewayError):
                raise
            self.mode.refuse(failure)
            self.caller = self._head.find_anonymous(head)
        slot = await self._head.admit(self.caller, method, self.mode)
        self._is_admitted = True
        return slot

    def make_call(
        self,
        method: Method,
        request: Message,
        metadata: Mapping[str, str | bytes],
        deadline: float,
        caller_deadline: float = math.inf,
        raw: bytes | None = None,
    ) -> Call:
        """Return the call for a request message.

        Args:
            method: the called method.
            request: the request message.
            metadata: the metadata for the upstream.
            deadline: the latest time at which the call ends, in seconds of the event loop's clock.
            caller_deadline: the time at which the caller stops waiting.
            raw: the serialized request as the caller sent it; None if it was not sent in this form.
        """
        self._is_read = True
        caller, mode = self.caller, self.mode
        derived_for = caller if method.service in self._own_services else None
        return Call(
            self.id,
            method,
            caller,
            request,
            metadata,
            deadline,
            self.span,
            choose_idempotency_key(method, metadata, derived_for),
            caller_deadline,
            self.facts,
            mode,
            raw if mode.is_observing else None,
        )

    def note(self, error: GatewayError) -> GatewayError:
        """Note the error of the response, and return it."""
        self.error = error
        return error

    def record_refusal(self, error: GatewayError) -> GatewayError:
        """Record the refused call if its request was not read. Calls of unknown methods are not recorded.

        The number of records about calls that were refused at their heads is limited.

        Return the error for the response. It is another one if the record cannot be kept, and the
        configuration refuses the call then.
        """
        self.note(error)
        if self._is_read or self.method is None:
            return error
        caller = self.caller if self._is_identified else None
        if not self._is_admitted and not self._head.may_record(caller):
            return error
        refusal = Refusal(
            call_id=self.id,
            trace_id=self.trace_id,
            method=self.method.name,
            caller=self.caller,
            error=error,
            mode=self.mode,
        )
        try:
            self.snapshot.reporter.report_refusal(refusal)
        except GatewayError as unavailable:
            return self.note(unavailable)
        return error

    def identifiers(self) -> dict[str, str]:
        """Return the headers that identify the call. In gRPC they are sent before the response message."""
        return {"x-request-id": self.id, "x-server-trace-id": self.trace_id}

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that every response has, or the trailing metadata of every error."""
        return self.identifiers() | self.mode.headers if self.mode.is_observing else self.identifiers()

    def log_failure(self) -> None:
        """Log the exception that is being handled. The exception is a failure of the gateway itself."""
        _log.exception("call failed", extra=self._fields())

    def end(self, status: int | str, code: Code) -> float:
        """End the span, log the response, and return the duration of the exchange in seconds.

        Args:
            status: the status of the response, as the protocol of the listener shows it.
            code: the status code of the response.
        """
        self._calls.leave(self._task)
        duration_ns = time.perf_counter_ns() - self._started_ns
        duration_s = duration_ns / 1e9
        if self.mode.is_observing:
            self.span.set_attribute("gateway.mode", "observe")
            self.span.set_attribute("gateway.observed", self.mode.effects)
        is_wait = self.method is not None and (
            self.method.server_streaming or self.method.service == WAITING_SERVICE
        )
        if self._tracing.is_exported(
            self.span, is_failure=code in FAILURES, duration_s=None if is_wait else duration_s
        ):
            set_shared(self.span, self.describe(status, code))
        self.span.end()
        caller = self.caller
        fields: dict[str, Any] = {
            "call_id": self.id,
            "trace_id": self.trace_id,
            "duration_ms": duration_ns // 1000 / 1000,  # round() takes much longer
        }
        if self.error is not None and code is not _OK:
            fields |= {"reason": self.error.reason, "error": escape_line(shorten(self.error.message))}
        if self.mode.is_observing:
            fields["observed"] = list(self.mode.effects)
        repeated: dict[str, str | int] = {
            **self.facts,
            "caller_kind": caller.kind,
            "caller_id": caller.id,
            "caller_address": caller.address,
            "status": status,
            "code": code._name_,
            "outcome": "ok" if code is _OK else _outcome_of(self.error, code),
        }
        log_fields(_log, "responded", fields, repeated)
        return duration_s

    @abstractmethod
    def describe(self, status: int | str, code: Code) -> SharedAttributes:
        """Set what only this span has, and return the attributes that it has in common with other spans.

        This method is called for exported spans only.
        """

    def set_error(self, kind: str) -> None:
        """Set the status of the span to ERROR.

        Args:
            kind: the value of the attribute `error.type`.
        """
        self.span.set_attribute("error.type", kind)
        self.span.set_status(_ERROR)

    def _fields(self) -> dict[str, Any]:
        return {"call_id": self.id, "trace_id": self.trace_id, **self.facts}


def _check(certificate: bytes, clients: ClientCertificates | None) -> GatewayError | None:
    """Return the error of a certificate that has become invalid since the handshake; None if it is valid."""
    if clients is not None:
        try:
            clients.check(certificate)
        except GatewayError as error:
            return error
    return None


def describe_caller(caller: Caller) -> dict[str, str | int]:
    """Return the attributes of spans that describe a caller."""
    attributes: dict[str, str | int] = {"client.address": caller.address} if caller.address else {}
    if caller.id:
        attributes |= {"gateway.caller.kind": caller.kind, "gateway.caller.id": shorten(caller.id)}
    return attributes


def shorten(text: str) -> str:
    """Return the redacted form of a caller's text, cut to a readable length."""
    return redact_text(text, _MAX_SHOWN)


def _outcome_of(error: GatewayError | None, code: Code) -> str:
    """Return the outcome of a call that has not succeeded, with the words of the ledger."""
    if code is Code.CANCELLED:
        return "cancelled"
    if error is None or isinstance(error, UpstreamError) or code in FAILURES:
        return "error"
    if error.reason == POLICY_VIOLATION:
        return "denied"
    return "invalid" if error.reason == INVALID_REQUEST else "refused"
