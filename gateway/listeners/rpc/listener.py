"""The gRPC listener: the cloud's own services, by the descriptors, without generated code."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from gateway.call import Call, Caller
from gateway.config import Address
from gateway.errors import Code, GatewayError, invalid_request
from gateway.listeners.context import Exchange
from gateway.listeners.errors import client_streaming_error, internal_error, stopping_error
from gateway.listeners.response_size import to_trailing_metadata, to_warning_metadata
from gateway.listeners.rpc.options import server_options
from gateway.listeners.rpc.peers import PeerConnections
from gateway.listeners.rpc.requests import RequestReader
from gateway.listeners.rpc.unread_replies import SEND_S, UnreadReplies, peer_address
from gateway.listeners.tls import cannot_listen, read_tls, why_not_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from gateway.config import Grpc, ListenerTls
    from gateway.listeners.context import ListenerContext
    from gateway.schema import Method

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# Its word for a caller that went away while it was being answered: no fault, and a traceback for each.
logging.getLogger("grpc._cython.cygrpc").addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], grpc.aio.InternalError))
)

GOODBYE_S = 1.0
"""Seconds that connections without calls have to close by themselves when the gateway stops."""
_OTHER = "_OTHER"
"""Stands for a method that is not served: a caller could otherwise make up time series."""


class RpcListener(grpc.GenericRpcHandler):
    """Answers gRPC calls by way of the pipeline.

    To the library every method takes a stream of requests. So a call begins with
    its head, not with its message: it is bounded, timed and refused here, with
    the details of the gateway's own errors.
    """

    def __init__(self, shared: ListenerContext, section: Grpc) -> None:
        self._shared = shared
        self._section = section
        limits = shared.limits
        self._requests = RequestReader(limits.concurrency, limits.body_bytes)
        self._unread = UnreadReplies(limits.concurrency, limits.deadline_s + SEND_S)
        self._server: grpc.aio.Server | None = None
        self._peers: PeerConnections | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self, max_connections: int) -> Address:
        """Listen; return the address, with the port that was free when 0 was asked for.

        Args:
            max_connections: open at once.

        Raises:
            FaultsError: the address is taken, or a TLS file cannot be used.
        """
        listen, tls = self._section.listen, self._section.tls
        options = server_options(self._section, self._shared.limits, max_connections)
        self._server = grpc.aio.server(handlers=[self], options=options)
        target = str(listen) if listen.host else f"[::]:{listen.port}"
        try:
            if tls:
                port = self._server.add_secure_port(target, _tls_credentials(tls))
            else:
                port = self._server.add_insecure_port(target)
        except RuntimeError as error:
            raise cannot_listen("grpc", listen, why_not_listening(listen)) from error
        await self._server.start()
        address = Address(host=listen.host, port=port)
        self._peers = PeerConnections(address, self._section.max_connections_per_address)
        self._unread.close = self._peers.close
        self._watching = asyncio.create_task(self._peers.watch())
        return address

    async def stop(self, timeout_s: float) -> None:
        """Stop listening; calls under way have so long to end."""
        if self._server is None:
            return
        stopping = asyncio.ensure_future(self._server.stop(timeout_s))
        done, _ = await asyncio.wait([stopping], timeout=GOODBYE_S)
        if not done and self._peers is not None:
            self._peers.close_others(self._unread.peers())  # the library waits for handshakes as well
        await stopping
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return what handles a call."""
        snapshot = self._shared.active.snapshot
        method = snapshot.methods.get(handler_call_details.method)
        if method is None or method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._refuse if method is None else self._refuse_stream
            )
        # No serializer: what cannot be parsed is answered here, not by the library.
        if method.server_streaming:

            async def stream(_: object, context: _Context) -> AsyncIterator[bytes]:
                exchange = _Exchange(method.name, context, self._shared)
                async with self._ended_well(exchange, context):
                    call = await self._read(exchange, method, context)
                    async with snapshot.pipeline.stream(call) as replies:
                        await context.send_initial_metadata(tuple(exchange.headers().items()))
                        context.set_trailing_metadata(to_warning_metadata(replies.warnings))
                        async for message in replies.messages:
                            yield message.SerializeToString()

            return grpc.stream_stream_rpc_method_handler(stream)

        async def handle(_: object, context: _Context) -> bytes:
            exchange = _Exchange(method.name, context, self._shared)
            async with self._ended_well(exchange, context):
                reply = await snapshot.pipeline.handle(await self._read(exchange, method, context))
                await context.send_initial_metadata(
                    tuple((exchange.headers() | dict(reply.metadata)).items())
                )
                context.set_trailing_metadata(to_warning_metadata(reply.warnings))
                return reply.message.SerializeToString()
            raise AssertionError("a call that did not end well was aborted")

        return grpc.stream_unary_rpc_method_handler(handle)

    async def _refuse(self, _: object, context: _Context) -> bytes:
        """Answer a call of a method that is not served; its name is the caller's text, so it is not kept."""
        error = GatewayError(Code.UNIMPLEMENTED, "METHOD_NOT_FOUND", "no method of this name is served")
        return await self._end(error, context)

    async def _refuse_stream(self, _: object, context: _Context) -> bytes:
        return await self._end(client_streaming_error(), context)

    async def _end(self, error: GatewayError, context: _Context) -> bytes:
        async with self._ended_well(_Exchange(_OTHER, context, self._shared), context):
            raise error
        raise AssertionError("a call that did not end well was aborted")

    @asynccontextmanager
    async def _ended_well(self, exchange: _Exchange, context: _Context) -> AsyncIterator[None]:
        """Answer with the error that ends the block, if one does; tell of the call in any case."""
        code = Code.CANCELLED
        self._unread.begin(context)
        try:
            yield
            self._unread.send(context)
            code = Code.OK
        except GatewayError as error:
            code = error.code
            await _abort(context, error, exchange)
        except GeneratorExit:
            raise
        except asyncio.CancelledError:
            if not self._shared.calls.is_cut:
                raise
            code = Code.UNAVAILABLE
            await _abort(context, stopping_error(), exchange)
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            code = Code.INTERNAL
            exchange.log_failure()
            await _abort(context, internal_error(exchange.trace_id), exchange)
        finally:
            exchange.finish(code)

    async def _read(self, exchange: _Exchange, method: Method, context: _Context) -> Call:
        left_s = cast("float | None", context.time_remaining())  # None without a deadline of the caller's
        limit_s = self._shared.limits.deadline_s
        deadline = exchange.started + (limit_s if left_s is None else min(left_s, limit_s))
        metadata = self._shared.metadata.read(exchange.metadata)
        return Call(
            id=exchange.id,
            method=method,
            caller=Caller(address=peer_address(context.peer())[0]),
            request=_parse(method, await self._requests.read(context.read, deadline)),
            metadata=metadata,
            deadline=deadline,
            span=exchange.span,
        )


class _Exchange(Exchange):
    """One gRPC call while it is being answered."""

    def __init__(self, method: str, context: _Context, shared: ListenerContext) -> None:
        self._method = method
        self.metadata: list[tuple[str, str | bytes]] = list(context.invocation_metadata() or ())
        headers = {name: value for name, value in self.metadata if isinstance(value, str)}
        super().__init__(shared, method, headers, {"rpc.system.name": "grpc", "rpc.method": method})
        self._metrics = shared.metrics
        self.facts = {"method": method}

    def finish(self, code: Code) -> None:
        """Tell of the answer in the trace, the metrics and the log."""
        self.span.set_attribute("rpc.response.status_code", code.name)
        duration_s = self.end(code.name, is_failure=code is not Code.OK)
        self._metrics.record_call(duration_s, self._method, code.name)


def _parse(method: Method, data: bytes) -> Message:
    """Return the request; one with fields that no rule could judge is refused."""
    try:
        message = method.request.FromString(data)
    except DecodeError as error:
        raise invalid_request(f"the request is no {method.request.DESCRIPTOR.full_name}") from error
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        raise invalid_request(
            "the request has fields that the gateway does not know, so it cannot judge them"
        )
    return message


async def _abort(context: Any, error: GatewayError, exchange: _Exchange) -> None:
    message, trailing = to_trailing_metadata(error, exchange.id, exchange.headers())
    code = next(one for one in grpc.StatusCode if one.value[0] == error.code)
    await context.abort(code, message, trailing)


def _tls_credentials(tls: ListenerTls) -> grpc.ServerCredentials:
    chain, key, roots = read_tls(tls, "grpc.tls")
    return grpc.ssl_server_credentials([(key, chain)], roots, require_client_auth=roots is not None)
