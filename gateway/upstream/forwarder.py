"""The forwarder of allowed calls to upstreams.

The upstream receives exactly the request message that policies have evaluated; in the mode `observe`, it
receives the message that the caller sent. Together with this message, the gateway sends metadata, which may
contain an idempotency key.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.message import DecodeError
from opentelemetry.trace import Status, StatusCode

from gateway.call import IDEMPOTENCY_KEY, Reply, ReplyStream
from gateway.errors import Code, GatewayError
from gateway.telemetry import SharedAttributes, set_shared, to_headers, trace_id_of
from gateway.upstream.call_batches import CallBatches
from gateway.upstream.credentials import RefusedCredentialsError
from gateway.upstream.errors import to_gateway_error, unreadable_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from google.protobuf.message import Message

    from gateway.call import Call
    from gateway.schema import Schema
    from gateway.telemetry import Metrics, Span, Tracing
    from gateway.upstream.channels import Channels
    from gateway.upstream.credentials import Credential
    from gateway.upstream.credentials.access_token import AccessToken
    from gateway.upstream.upstream_channel import UnaryMethod

# The names of an upstream's response metadata that callers can use.
_REPLY_METADATA = ("x-operation-poll-interval",)
_ERROR = Status(StatusCode.ERROR)
_OK = Code.OK  # in Python 3.11, a look-up of a member in its class is slow
_STATUSES = {code: SharedAttributes({"rpc.response.status_code": code.name}) for code in Code}
_MAX_REPLY_METADATA = 128  # in characters, because a longer value could make the response too large


class Forwarder:
    """Forwards each call to the upstream of the called method."""

    def __init__(
        self,
        schema: Schema,
        services: Mapping[str, str],
        channels: Channels,
        tracing: Tracing,
        metrics: Metrics,
        credentials: Mapping[str, Credential] | None = None,
    ) -> None:
        """Initialize the forwarder, and make a gRPC callable for each method.

        Args:
            schema: the schema with the served methods.
            services: the names of the upstreams that serve the services, keyed by the full name of the
                service.
            channels: the channels to the upstreams.
            tracing: the tracing that starts the CLIENT spans.
            metrics: the metrics that count upstream calls.
            credentials: the gateway's own credentials, keyed by the name of the upstream. The other upstreams
                receive the credentials of callers.
        """
        self._upstreams = services
        own = credentials or {}
        self._credentials = {service: own[name] for service, name in services.items() if name in own}
        self._tracing = tracing
        self._metrics = metrics
        self._failures = channels.failures
        self._batches = CallBatches()
        self._unary: dict[str, UnaryMethod] = {}
        self._streams: dict[str, Callable[..., Any]] = {}
        self._attributes: dict[str, SharedAttributes] = {}
        for method in schema.methods.values():
            upstream = services.get(method.service)
            if upstream is None:  # one of the gateway's own
                continue
            if method.server_streaming:
                self._streams[method.name] = channels[upstream].stream(method, _serialize)
            else:
                self._unary[method.name] = channels[upstream].unary(method)
            self._attributes[method.name] = describe_call(method.name, upstream, channels.addresses[upstream])

    async def forward(self, call: Call, attempt: int = 1) -> Reply | ReplyStream:
        """Forward a call and return the upstream's response.

        If the response is a stream, the upstream call starts when the first message is read from the stream.
        The upstream call ends when the stream is closed.

        Args:
            call: the call.
            attempt: the number of the attempt, counted from 1. Only unary calls have further attempts.

        Raises:
            GatewayError: the upstream has returned an error, or there is no usable response. If the response
                is a stream, the error is raised while messages are read from the stream.
        """
        if call.method.server_streaming:
            return ReplyStream(self._stream(call))
        credential = self._credentials.get(call.method.service)
        token = None if credential is None else credential.valid or await credential.get(call.deadline)
        span, started_ns = self._start_span(call, attempt), time.perf_counter_ns()
        try:
            request = _serialize(call.request if call.raw is None else call.raw)
            unary, metadata = self._unary[call.method.name], outgoing_metadata(call, span, token)
            await self._batches.wait()
            data, received = await unary(request, _remaining_s(call), metadata)
            self._note_response(call, token)
            reply = Reply(self._read(call, data), _reply_metadata(received))
        except grpc.aio.AioRpcError as error:
            failure = self._fail(call, error, token)
            self._end(call, span, failure.code, started_ns)
            raise failure from error
        except BaseException as error:
            self._end(call, span, _code_of(error), started_ns)
            raise
        self._end(call, span, _OK, started_ns)
        return reply

    async def _stream(self, call: Call) -> AsyncGenerator[Message, None]:
        credential = self._credentials.get(call.method.service)
        token = None if credential is None else credential.valid or await credential.get(call.deadline)
        span, started_ns, code = self._start_span(call, 1), time.perf_counter_ns(), Code.OK
        exchange = None
        try:
            request = call.request if call.raw is None else call.raw
            metadata = outgoing_metadata(call, span, token)
            exchange = self._streams[call.method.name](
                request, timeout=_remaining_s(call), metadata=tuple(metadata.items())
            )
            async for data in exchange:
                self._note_response(call, token)
                yield self._read(call, data)
            self._note_response(call, token)  # needed if the stream has no messages
        except grpc.aio.AioRpcError as error:
            failure = self._fail(call, error, token)
            code = failure.code
            raise failure from error
        except BaseException as error:
            code = _code_of(error)
            raise
        finally:
            if exchange is not None:
                exchange.cancel()
            self._end(call, span, code, started_ns)

    def _note_response(self, call: Call, token: AccessToken | None) -> None:
        upstream = self._upstreams[call.method.service]
        self._failures.note_response(upstream)
        if token is not None:
            credential = self._credentials[call.method.service]
            if credential.refused_by:
                credential.note_accepted(token, upstream)

    def _fail(self, call: Call, error: grpc.aio.AioRpcError, token: AccessToken | None) -> GatewayError:
        """Report the error of an upstream call, and return the error with which the call ends.

        Args:
            call: the call.
            error: the exception that grpc raised.
            token: the gateway's token that was sent; None if it was not the gateway's.
        """
        upstream = self._upstreams[call.method.service]
        failure = to_gateway_error(error, upstream)
        if token is not None and failure.code is Code.UNAUTHENTICATED:
            self._failures.note_response(upstream)
            credential = self._credentials[call.method.service]
            credential.note_refused(token, upstream)
            failure = RefusedCredentialsError(upstream, credential, token)
        self._failures.report(call, upstream, failure, error.details() or "")
        return failure

    def _read(self, call: Call, data: bytes) -> Message:
        """Parse a response message of the upstream."""
        try:
            return call.method.reply.FromString(data)
        except DecodeError as error:
            upstream = self._upstreams[call.method.service]
            failure = unreadable_response(upstream)
            expected = call.method.reply.DESCRIPTOR.full_name
            self._failures.report(call, upstream, failure, f"{len(data)} bytes that are no {expected}")
            raise failure from error

    def _start_span(self, call: Call, attempt: int) -> Span:
        """Start the span of an upstream call. The number of a further attempt is an attribute."""
        attributes = self._attributes[call.method.name]
        span = self._tracing.start_client(call.method.name, call.span, attributes)
        if attempt > 1:
            span.set_attribute("gateway.attempt", attempt)
        return span

    def _end(self, call: Call, span: Span, code: Code, started_ns: int) -> None:
        """Report the end of an upstream call in its span and in the metrics.

        Args:
            call: the call.
            span: the span of the upstream call.
            code: the status code with which the upstream call ended.
            started_ns: the start of the upstream call, from time.perf_counter_ns(). The event loop's clock
                may count only milliseconds.
        """
        name = code._name_  # the property `name` is a function
        if span is not call.span:  # otherwise tracing is off, so there is only one span
            set_shared(span, _STATUSES[code])
            if code is not _OK:
                span.set_attribute("error.type", name)
                span.set_status(_ERROR)
            span.end()
        duration_s = (time.perf_counter_ns() - started_ns) / 1e9
        upstream = self._upstreams[call.method.service]
        self._metrics.record_upstream(duration_s, call.method.name, name, upstream, span)


def _code_of(error: BaseException) -> Code:
    """Return the status code of an upstream call that an exception has ended, other than one of grpc."""
    if isinstance(error, GatewayError):
        return error.code
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):  # the caller has gone, or stopped reading
        return Code.CANCELLED
    return Code.UNKNOWN


def outgoing_metadata(call: Call, span: Span, token: AccessToken | None = None) -> dict[str, str | bytes]:
    """Return the metadata for the upstream: the caller's metadata, the trace, and the idempotency key.

    The gateway's own token, if there is one, replaces the credentials of the caller.
    """
    own = {"x-client-request-id": call.id, "x-client-trace-id": trace_id_of(call.span)}
    metadata = {**own, **call.metadata, **to_headers(span)}
    if token is not None:
        metadata["authorization"] = token.authorization
    if call.idempotency_key:
        metadata[IDEMPOTENCY_KEY] = call.idempotency_key
    return metadata


def describe_call(method: str, upstream: str, address: str) -> SharedAttributes:
    """Return the attributes of the CLIENT spans of a method.

    https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
    """
    host, _, port = address.rpartition(":")
    return SharedAttributes(
        {
            "rpc.system.name": "grpc",
            "rpc.method": method,
            "server.address": host.strip("[]"),
            "server.port": int(port),
            "gateway.upstream": upstream,
        }
    )


def _serialize(message: Message | bytes) -> bytes:
    """Return the deterministic encoding of a message, in which map entries have a fixed order.

    An encoded message is returned as it is.
    """
    return message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)


def _remaining_s(call: Call) -> float:
    """Return the time until the deadline of a call, in seconds.

    Raises:
        GatewayError: the deadline has passed.
    """
    remaining_s = call.deadline - asyncio.get_running_loop().time()
    if remaining_s <= 0:
        raise GatewayError(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the call's deadline has passed")
    return remaining_s


def _reply_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    given: dict[str, str | bytes] = {}
    for name, value in metadata:
        if name in _REPLY_METADATA:
            given.setdefault(name, value)
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, str) and len(value) <= _MAX_REPLY_METADATA
    }
