"""One request and its response. They are identified, traced, measured and logged together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Status, StatusCode

from gateway.audit.record import Refusal
from gateway.call import Call, Caller, RequestHead, choose_idempotency_key
from gateway.errors import GatewayError
from gateway.listeners.metadata import request_id
from gateway.telemetry import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message

    from gateway.limits import Slot
    from gateway.listeners.context import ListenerContext
    from gateway.schema import Method
    from gateway.serving.snapshot import Snapshot
    from gateway.tls import ClientCertificates

_log = logging.getLogger(__name__)

_UNKNOWN = Caller()


class Exchange:
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
    """

    def __init__(
        self,
        context: ListenerContext,
        snapshot: Snapshot,
        name: str,
        headers: Mapping[str, str],
        attributes: Mapping[str, str],
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
        self.caller = _UNKNOWN
        self.method: Method | None = None
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
        self.caller = Caller(address=address)
        head = RequestHead(
            address=address,
            headers=headers,
            certificate=certificate,
            method=method,
            certificate_error=_check(certificate, clients),
        )
        self.caller = await self._head.identify(head)
        self._is_identified = True
        slot = await self._head.admit(self.caller, method)
        self._is_admitted = True
        return slot

    def make_call(
        self,
        method: Method,
        request: Message,
        metadata: Mapping[str, str | bytes],
        deadline: float,
        caller_deadline: float = math.inf,
    ) -> Call:
        """Return the call for a request message."""
        self._is_read = True
        return Call(
            id=self.id,
            method=method,
            caller=self.caller,
            request=request,
            metadata=metadata,
            deadline=deadline,
            span=self.span,
            idempotency_key=choose_idempotency_key(
                method, metadata, self.caller if method.service in self._own_services else None
            ),
            caller_deadline=caller_deadline,
        )

    def record_refusal(self, error: GatewayError) -> GatewayError:
        """Record the refused call if its request was not read. Calls of unknown methods are not recorded.

        The number of records about calls that were refused at their heads is limited.

        Return the error for the response. It is another one if the record cannot be kept, and the
        configuration refuses the call then.
        """
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
        )
        try:
            self.snapshot.reporter.report_refusal(refusal)
        except GatewayError as unavailable:
            return unavailable
        return error

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers, or the gRPC metadata, that every response has."""
        return {"x-request-id": self.id, "x-server-trace-id": self.trace_id}

    def log_failure(self) -> None:
        """Log the exception that is being handled. The exception is a failure of the gateway itself."""
        _log.exception("call failed", extra=self._fields())

    def end(self, status: int | str, *, is_failure: bool) -> float:
        """End the span, log the response, and return the duration of the exchange in seconds."""
        self._calls.leave(self._task)
        duration_s = (time.perf_counter_ns() - self._started_ns) / 1e9
        if is_failure:
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()
        fields = {"status": status, "duration_ms": round(duration_s * 1e3, 3)}
        _log.info("responded", extra=self._fields() | fields)
        return duration_s

    def _fields(self) -> dict[str, Any]:
        return {"call_id": self.id, "trace_id": self.trace_id, **self.facts}


def _check(certificate: bytes | None, clients: ClientCertificates | None) -> GatewayError | None:
    """Return the error of a certificate that has become invalid since the handshake; None if it is valid."""
    if certificate is not None and clients is not None:
        try:
            clients.check(certificate)
        except GatewayError as error:
            return error
    return None
