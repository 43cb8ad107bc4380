"""Forwards a judged call: the very message, the caller's metadata, one idempotency key."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.message import DecodeError
from opentelemetry.trace import Status, StatusCode

from gateway.call import Reply, ReplyStream
from gateway.errors import Code, GatewayError
from gateway.telemetry import to_headers, trace_id_of
from gateway.upstream.errors import to_gateway_error, unreadable_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from google.protobuf.message import Message

    from gateway.call import Call
    from gateway.schema import Method, Schema
    from gateway.telemetry import Metrics, Span, Tracing
    from gateway.upstream.channels import Channels

IDEMPOTENCY_KEY = "idempotency-key"

# What an upstream says beside its answer that its caller can use.
_REPLY_METADATA = ("x-operation-poll-interval",)
_MAX_REPLY_METADATA = 128  # characters of a value: a longer one could make the response too large


class Forwarder:
    """Calls the upstream of each served method."""

    def __init__(
        self,
        schema: Schema,
        services: Mapping[str, str],
        channels: Channels,
        tracing: Tracing,
        metrics: Metrics,
    ) -> None:
        """Prepare a callable for each method.

        Args:
            schema: with the methods served.
            services: full name of each service → name of its upstream.
            channels: to the upstreams.
            tracing: for the CLIENT spans.
            metrics: that upstream calls are counted in.
        """
        self._upstreams = services
        self._tracing = tracing
        self._metrics = metrics
        self._failures = channels.failures
        self._callables = {
            method.name: _callable(channels[services[method.service]], method)
            for method in schema.methods.values()
            if not method.client_streaming
        }

    async def forward(self, call: Call) -> Reply:
        """Forward a call and return the answer.

        Raises:
            GatewayError: the upstream's own error, or the gateway's when there was no answer.
        """
        with self._exchange(call) as span:
            exchange = self._start(call, span)
            data = await exchange
            given = await exchange.initial_metadata()
            return Reply(message=self._read(call, data), metadata=_reply_metadata(given))

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[ReplyStream]:
        """Forward a call of a method that streams its answers; leaving the block ends the stream."""
        with self._exchange(call) as span:
            exchange = self._start(call, span)
            try:
                yield ReplyStream(messages=self._messages(exchange, call))
            finally:
                exchange.cancel()

    async def _messages(self, exchange: Any, call: Call) -> AsyncIterator[Message]:
        try:
            async for data in exchange:
                yield self._read(call, data)
        except grpc.aio.AioRpcError as error:
            raise self._fail(call, error) from error

    def _fail(self, call: Call, error: grpc.aio.AioRpcError) -> GatewayError:
        """Report the failure of an upstream; return the error that the call ends with."""
        upstream = self._upstreams[call.method.service]
        failure = to_gateway_error(error, upstream)
        self._failures.report(call, upstream, failure, error.details() or "")
        return failure

    def _read(self, call: Call, data: bytes) -> Message:
        """Return the response of an upstream as a message."""
        try:
            return call.method.reply.FromString(data)
        except DecodeError as error:
            upstream = self._upstreams[call.method.service]
            failure = unreadable_response(upstream)
            expected = call.method.reply.DESCRIPTOR.full_name
            self._failures.report(call, upstream, failure, f"{len(data)} bytes that are no {expected}")
            raise failure from error

    def _start(self, call: Call, span: Span) -> Any:
        timeout_s = call.deadline - asyncio.get_running_loop().time()
        if timeout_s <= 0:
            raise GatewayError(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the call's deadline has passed")
        metadata = list(outgoing_metadata(call, span).items())
        return self._callables[call.method.name](call.request, timeout=timeout_s, metadata=metadata)

    @contextmanager
    def _exchange(self, call: Call) -> Iterator[Span]:
        """Trace and count what happens in the block, and turn a failure into the error to answer with."""
        upstream = self._upstreams[call.method.service]
        attributes = {"rpc.system.name": "grpc", "rpc.method": call.method.name, "gateway.upstream": upstream}
        span = self._tracing.start_client(call.method.name, call.span, attributes)
        started_ns = time.perf_counter_ns()  # the loop's clock may have whole milliseconds
        code = Code.UNKNOWN
        try:
            yield span
            code = Code.OK
        except grpc.aio.AioRpcError as error:
            failure = self._fail(call, error)
            code = failure.code
            raise failure from error
        except GatewayError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        finally:
            _end(span, call.span, code)
            duration_s = (time.perf_counter_ns() - started_ns) / 1e9
            self._metrics.record_upstream(duration_s, call.method.name, code.name)


def outgoing_metadata(call: Call, span: Span) -> dict[str, str | bytes]:
    """Return what goes to the upstream: the caller's metadata, the trace, and an idempotency key.

    A call that changes something and has no key of the caller's gets one, so
    that no attempt of it makes a second resource.
    """
    metadata = dict(call.metadata)
    metadata.setdefault("x-client-request-id", call.id)
    metadata.setdefault("x-client-trace-id", trace_id_of(call.span))
    if not call.method.is_read:
        metadata.setdefault(IDEMPOTENCY_KEY, str(uuid.uuid4()))
    return metadata | to_headers(span)


def _callable(channel: grpc.aio.Channel, method: Method) -> Any:
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    # No deserializer: the library would log what cannot be parsed by itself, and return nothing.
    return make(method.path, request_serializer=_serialize)


def _serialize(message: Message) -> bytes:
    """Return the one encoding of a message: maps have no order of their own."""
    return message.SerializeToString(deterministic=True)


def _reply_metadata(given: Any) -> dict[str, str]:
    return {
        key: value
        for key, value in given or ()
        if key in _REPLY_METADATA and isinstance(value, str) and len(value) <= _MAX_REPLY_METADATA
    }


def _end(span: Span, parent: Span, code: Code) -> None:
    if span is parent:  # tracing is off: there is but one
        return
    span.set_attribute("rpc.response.status_code", code.name)
    if code is not Code.OK:
        span.set_status(Status(StatusCode.ERROR, code.name))
    span.end()
