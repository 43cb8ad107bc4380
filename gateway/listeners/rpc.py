"""The gRPC listener: the cloud's own services, by the descriptors, without generated code."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from gateway.call import Call
from gateway.caller import Caller
from gateway.config import Address
from gateway.errors import Code, GatewayError, invalid_request
from gateway.listeners.addresses import cannot_listen, read_tls, why_not_listening
from gateway.listeners.answers import internal_error
from gateway.listeners.front import Exchange
from gateway.listeners.response_size import to_trailing_metadata, to_warning_metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from gateway.config import ListenerTls
    from gateway.listeners.front import Front
    from gateway.schema import Method

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class RpcListener(grpc.GenericRpcHandler):
    """Answers gRPC calls by way of the pipeline."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._server: grpc.aio.Server | None = None

    async def start(self, listen: Address, tls: ListenerTls | None) -> Address:
        """Listen; return the address, with the port that was free when 0 was asked for.

        Raises:
            FaultsError: the address is taken, or a TLS file cannot be used.
        """
        self._server = grpc.aio.server(
            handlers=[self],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._front.limits.body_bytes),
                ("grpc.max_metadata_size", self._front.limits.header_bytes),
                ("grpc.absolute_max_metadata_size", self._front.limits.header_bytes),
            ],
        )
        target = str(listen) if listen.host else f"[::]:{listen.port}"
        try:
            if tls:
                port = self._server.add_secure_port(target, _tls_credentials(tls))
            else:
                port = self._server.add_insecure_port(target)
        except RuntimeError as error:
            raise cannot_listen("grpc", listen, why_not_listening(listen)) from error
        await self._server.start()
        return Address(host=listen.host, port=port)

    async def stop(self, timeout_s: float) -> None:
        """Stop listening; calls under way have so long to end."""
        if self._server is not None:
            await self._server.stop(timeout_s)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return what handles a call, or None for a method that is not served."""
        surface = self._front.serving.surface
        method = surface.methods.get(handler_call_details.method)
        if method is None or method.client_streaming:
            return None
        # Neither serializer: what cannot be parsed is answered here, not by the library.
        if method.server_streaming:

            async def stream(data: bytes, context: _Context) -> AsyncIterator[bytes]:
                exchange = _Exchange(method, context, self._front)
                async with self._ended_well(exchange, context):
                    call = self._read(exchange, data, context)
                    async with surface.pipeline.stream(call) as replies:
                        await context.send_initial_metadata(tuple(exchange.headers().items()))
                        context.set_trailing_metadata(to_warning_metadata(replies.warnings))
                        async for message in replies.messages:
                            yield message.SerializeToString()

            return grpc.unary_stream_rpc_method_handler(stream)

        async def handle(data: bytes, context: _Context) -> bytes:
            exchange = _Exchange(method, context, self._front)
            async with self._ended_well(exchange, context):
                reply = await surface.pipeline.handle(self._read(exchange, data, context))
                await context.send_initial_metadata(
                    tuple((exchange.headers() | dict(reply.metadata)).items())
                )
                context.set_trailing_metadata(to_warning_metadata(reply.warnings))
                return reply.message.SerializeToString()
            raise AssertionError("a call that did not end well was aborted")

        return grpc.unary_unary_rpc_method_handler(handle)

    @asynccontextmanager
    async def _ended_well(self, exchange: _Exchange, context: _Context) -> AsyncIterator[None]:
        """Answer with the error that ends the block, if one does; tell of the call in any case."""
        code = Code.CANCELLED
        try:
            yield
            code = Code.OK
        except GatewayError as error:
            code = error.code
            await _abort(context, error, exchange)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            code = Code.INTERNAL
            exchange.log_failure()
            await _abort(context, internal_error(exchange.trace_id), exchange)
        finally:
            exchange.finish(code)

    def _read(self, exchange: _Exchange, data: bytes, context: _Context) -> Call:
        left_s = cast("float | None", context.time_remaining())  # None without a deadline of the caller's
        limit_s = self._front.limits.deadline_s
        return Call(
            id=exchange.id,
            method=exchange.method,
            caller=Caller(address=peer_address(context.peer())),
            request=_parse(exchange.method, data),
            metadata=self._front.metadata.read(exchange.metadata),
            deadline=exchange.started + (limit_s if left_s is None else min(left_s, limit_s)),
            span=exchange.span,
        )


class _Exchange(Exchange):
    """One gRPC call while it is being answered."""

    def __init__(self, method: Method, context: _Context, front: Front) -> None:
        self.method = method
        self.metadata: list[tuple[str, str | bytes]] = list(context.invocation_metadata() or ())
        headers = {name: value for name, value in self.metadata if isinstance(value, str)}
        super().__init__(front, method.name, headers, {"rpc.system.name": "grpc", "rpc.method": method.name})
        self._metrics = front.metrics
        self.facts = {"method": method.name}

    def finish(self, code: Code) -> None:
        """Tell of the answer in the trace, the metrics and the log."""
        self.span.set_attribute("rpc.response.status_code", code.name)
        duration_s = self.end(code.name, is_failure=code is not Code.OK)
        self._metrics.record_call(duration_s, self.method.name, code.name)


def peer_address(peer: str) -> str:
    """Return the IP address of a peer, of `ipv4:192.0.2.1:4711` or `ipv6:%5B2001:db8::1%5D:4711`."""
    family, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if family in {"ipv4", "ipv6"} else ""


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
