"""Forwards a judged call: the very message, the caller's metadata, one idempotency key."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc.aio
from opentelemetry.trace import Status, StatusCode

from gateway.call import Reply
from gateway.errors import Code, GatewayError
from gateway.telemetry import to_headers, trace_id_of
from gateway.upstream.errors import to_gateway_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.call import Call
    from gateway.schema import Method, Schema
    from gateway.telemetry import Metrics, Span, Tracing
    from gateway.upstream.channels import Channels

IDEMPOTENCY_KEY = "idempotency-key"

# What an upstream says beside its answer that its caller can use.
_REPLY_METADATA = ("x-operation-poll-interval",)


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
        self._callables = {
            method.name: _callable(channels[services[method.service]], method)
            for method in schema.methods.values()
            if not (method.client_streaming or method.server_streaming)
        }

    async def forward(self, call: Call) -> Reply:
        """Forward a call and return the answer.

        Raises:
            GatewayError: the upstream's own error, or the gateway's when there was no answer.
        """
        upstream = self._upstreams[call.method.service]
        attributes = {"rpc.system.name": "grpc", "rpc.method": call.method.name, "gateway.upstream": upstream}
        span = self._tracing.start_client(call.method.name, call.span, attributes)
        started = asyncio.get_running_loop().time()
        code = Code.UNKNOWN
        try:
            reply = await self._exchange(call, span, upstream)
            code = Code.OK
        except GatewayError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        finally:
            _end(span, call.span, code)
            duration_s = asyncio.get_running_loop().time() - started
            self._metrics.record_upstream(duration_s, call.method.name, code.name)
        return reply

    async def _exchange(self, call: Call, span: Span, upstream: str) -> Reply:
        timeout_s = call.deadline - asyncio.get_running_loop().time()
        if timeout_s <= 0:
            raise GatewayError(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the call's deadline has passed")
        if call.method.name not in self._callables:
            raise GatewayError(Code.UNIMPLEMENTED, "STREAMING", "streaming methods are not served")
        metadata = list(outgoing_metadata(call, span).items())
        exchange = self._callables[call.method.name](call.request, timeout=timeout_s, metadata=metadata)
        try:
            message = await exchange
            given = await exchange.initial_metadata()
        except grpc.aio.AioRpcError as error:
            raise to_gateway_error(error, upstream) from error
        return Reply(message=message, metadata=_reply_metadata(given))


def outgoing_metadata(call: Call, span: Span) -> dict[str, str]:
    """Return what goes to the upstream: the caller's metadata, the trace, and an idempotency key.

    A long-running method without a key of the caller's gets one, so that no
    attempt of the same call makes a second resource.
    """
    metadata = dict(call.metadata)
    metadata.setdefault("x-client-request-id", call.id)
    metadata.setdefault("x-client-trace-id", trace_id_of(call.span))
    if call.method.operation is not None:
        metadata.setdefault(IDEMPOTENCY_KEY, str(uuid.uuid4()))
    return metadata | to_headers(span)


def _callable(channel: grpc.aio.Channel, method: Method) -> Any:
    return channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.reply.FromString,
    )


def _reply_metadata(given: Any) -> dict[str, str]:
    return {key: value for key, value in given or () if key in _REPLY_METADATA and isinstance(value, str)}


def _end(span: Span, parent: Span, code: Code) -> None:
    if span is parent:  # tracing is off: there is but one
        return
    span.set_attribute("rpc.response.status_code", code.name)
    if code is not Code.OK:
        span.set_status(Status(StatusCode.ERROR, code.name))
    span.end()
