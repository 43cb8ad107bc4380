"""The gRPC listener. It serves all services of the descriptors, and needs no generated code."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio

from gateway.call import Reply, ReplyStream
from gateway.config import WAITING_SERVICE, Address
from gateway.errors import Code, GatewayError
from gateway.listeners.errors import internal_error, stopping_error
from gateway.listeners.listening import cannot_listen, why_not_listening
from gateway.listeners.response_size import to_warning_metadata
from gateway.listeners.rpc.infrastructure import InfrastructureMethods
from gateway.listeners.rpc.options import server_options
from gateway.listeners.rpc.peer_certificates import certificate_of, make_credentials
from gateway.listeners.rpc.peers import PeerConnections
from gateway.listeners.rpc.requests import parse_request, read_request
from gateway.listeners.rpc.rpc_exchange import OTHER, RpcContext, RpcExchange
from gateway.listeners.rpc.server import make_server
from gateway.listeners.rpc.unknown_methods import UnknownMethods
from gateway.listeners.rpc.unread_replies import SEND_S, UnreadReplies, peer_address
from gateway.telemetry import SharedAttributes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from gateway.call import Call
    from gateway.config import Grpc
    from gateway.limits import Slot
    from gateway.listeners.context import ListenerContext
    from gateway.schema import Method
    from gateway.telemetry import Health
    from gateway.tls import ClientCertificates, ServerTls


def _is_useful(record: logging.LogRecord) -> bool:
    """Return whether a log record of the gRPC library is about a failure.

    The library logs a traceback when a caller disconnects before the response is sent, and it logs the value
    of each metadata entry that is not UTF-8, which may be a credential. Both can be caused by any caller. At
    the level DEBUG, it also logs objects while they are deallocated. Whoever keeps such a record has a
    reference to an object that does not exist any more, and the process crashes.
    """
    is_disconnection = record.exc_info and isinstance(record.exc_info[1], grpc.aio.InternalError)
    return not is_disconnection and not str(record.msg).startswith(("Invalid encoding on", "__dealloc__"))


logging.getLogger("grpc._cython.cygrpc").addFilter(_is_useful)


def _describe(address: Address) -> SharedAttributes:
    """Return the attributes of spans that describe the listener.

    The gRPC library does not show the name by which the caller has reached the listener.
    """
    described: dict[str, str | int] = {"network.protocol.name": "http", "network.protocol.version": "2"}
    if address.host not in _EVERY_INTERFACE:
        described["server.address"] = address.host
    described["server.port"] = address.port
    return SharedAttributes({**described})


_EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on
_SETTLE_S = 0.03
"""The number of seconds in which received calls reach their handlers."""
_LOOK_S = 0.1
"""The number of seconds between two looks for connections without calls, during the stop of the gateway."""


class RpcListener(grpc.GenericRpcHandler):
    """Responds to gRPC calls. The pipeline processes the calls.

    Every method is registered as a method that takes a stream of requests. So the gRPC library runs the
    handler as soon as the head of a call arrives, before the request message arrives. The handler itself
    limits the size of the request message and the time to receive the message. When the handler refuses a
    call, the response has the details of a gateway error.
    """

    def __init__(self, context: ListenerContext, section: Grpc, health: Health) -> None:
        self._context = context
        self._section = section
        limits = context.limits
        self._unread = UnreadReplies(limits.concurrency, limits.deadline_s + SEND_S)
        # Calls that wait for operations have limits of their own.
        self._unread_waits = UnreadReplies(limits.waiters, limits.deadline_s + limits.wait_s + SEND_S)
        self._receiving: set[RpcContext] = set()  # the calls whose peers have more to send
        self._infrastructure = InfrastructureMethods(context, section, health)
        self._unknown = UnknownMethods()
        self._clients: ClientCertificates | None = None
        self._described = SharedAttributes({})
        self._server: grpc.aio.Server | None = None
        self._peers: PeerConnections | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self, tls: ServerTls | None, max_connections: int) -> Address:
        """Start to listen, and return the address.

        If the configured port is 0, the returned address has the port that the system chose.

        Args:
            tls: TLS of the listener; None for plaintext.
            max_connections: the maximum number of open connections.

        Raises:
            FaultsError: the address or the certificate cannot be used.
        """
        listen = self._section.listen
        self._clients = tls.clients if tls else None
        options = server_options(self._section, self._context.limits, max_connections)
        self._server = make_server(self, options, self._report_undecodable)
        target = str(listen) if listen.host else f"[::]:{listen.port}"
        try:
            if tls:
                port = self._server.add_secure_port(target, make_credentials(tls))
            else:
                port = self._server.add_insecure_port(target)
        except RuntimeError as error:
            raise cannot_listen("grpc", listen, why_not_listening(listen)) from error
        await self._server.start()
        self._infrastructure.start()
        address = Address(host=listen.host, port=port)
        self._described = _describe(address)
        self._peers = PeerConnections(address, self._section.max_connections_per_address)
        for unread in self._all_unread:
            unread.close = self._peers.close
        self._watching = asyncio.create_task(self._peers.watch())
        return address

    async def stop(self, timeout_s: float) -> None:
        """Stop listening, and wait for the active calls.

        Args:
            timeout_s: the time in which the active calls must end, in seconds.
        """
        if self._server is None:
            return
        self._infrastructure.stop()
        await self._hold()
        stopping = asyncio.ensure_future(self._server.stop(timeout_s))
        peers = self._active_peers()
        while self._peers is not None and not (await asyncio.wait([stopping], timeout=_LOOK_S))[0]:
            before, peers = peers, self._active_peers()
            self._peers.close_others(before | peers)  # the others have received their last response
        await stopping
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _hold(self) -> None:
        """Receive no further calls, and wait until the calls that were received have reached their handlers.

        The gRPC library cancels a call that arrives after the start of its stop. A client does not repeat a
        cancelled call. A call that was not received ends with UNAVAILABLE when its connection is closed.
        """
        if self._peers is None:
            return
        for _ in range(2):  # the second time for the connections that were just being opened
            self._peers.hold()
            await asyncio.sleep(_SETTLE_S)
        self._peers.resume({peer_address(context.peer()) for context in self._receiving})

    def _active_peers(self) -> set[tuple[str, int]]:
        return set().union(*(one.peers() for one in self._all_unread))

    def _report_undecodable(self) -> None:
        """Report a call whose path is not UTF-8. The gRPC library has cancelled the call."""
        self._unknown.report_undecodable()
        self._context.metrics.record_call(0.0, OTHER, Code.CANCELLED.name)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler that responds to a call. The gRPC library calls this method for each call."""
        snapshot, path = self._context.active.snapshot, handler_call_details.method
        method = snapshot.methods.get(path)
        if method is None and (handler := self._infrastructure.find(path)) is not None:
            return handler

        async def respond(_: object, rpc_context: RpcContext) -> bytes:
            exchange = RpcExchange(self._context, snapshot, path, rpc_context, self._described)
            async with self._reporting(exchange, rpc_context), self._replying(exchange, rpc_context) as reply:
                return cast("Reply", reply).message.SerializeToString()
            raise AssertionError("a call that failed was aborted")

        async def respond_in_stream(_: object, rpc_context: RpcContext) -> AsyncIterator[bytes]:
            exchange = RpcExchange(self._context, snapshot, path, rpc_context, self._described)
            async with self._reporting(exchange, rpc_context), self._replying(exchange, rpc_context) as reply:
                async for message in cast("ReplyStream", reply):
                    with self._sending(method, rpc_context):
                        yield message.SerializeToString()

        # No deserializer is set, because this listener itself refuses request messages that cannot be parsed.
        if method is not None and method.server_streaming:
            return grpc.stream_stream_rpc_method_handler(respond_in_stream)
        return grpc.stream_unary_rpc_method_handler(respond)

    @asynccontextmanager
    async def _replying(
        self, exchange: RpcExchange, rpc_context: RpcContext
    ) -> AsyncIterator[Reply | ReplyStream]:
        """Read the request, run the pipeline, send the initial metadata, and yield the reply."""
        method, address = exchange.method, peer_address(rpc_context.peer())[0]
        certificate = certificate_of(rpc_context)
        with await exchange.admit(address, exchange.metadata, certificate, self._clients) as slot:
            if method is None:  # raised only now, because the caller has to be known first
                raise self._unknown.refuse(exchange.path, address)
            call = await self._read(exchange, method, rpc_context, slot)
            reply = await exchange.snapshot.pipeline.handle(call, slot)
            try:
                metadata = reply.metadata if isinstance(reply, Reply) else {}
                identifiers = exchange.identifiers()
                await rpc_context.send_initial_metadata(tuple((identifiers | dict(metadata)).items()))
                observed = tuple(exchange.mode.headers.items())
                rpc_context.set_trailing_metadata((*observed, *to_warning_metadata(reply.warnings)))
                yield reply
            finally:
                if isinstance(reply, ReplyStream):
                    await reply.aclose()

    async def _read(self, exchange: RpcExchange, method: Method, rpc_context: RpcContext, slot: Slot) -> Call:
        left_s = cast("float | None", rpc_context.time_remaining())  # None if the caller set no deadline
        limits = self._context.limits
        caller_s = math.inf if left_s is None else left_s
        deadline = exchange.started + min(caller_s, limits.deadline_s)
        metadata = self._context.metadata.read(exchange.metadata)
        self._receiving.add(rpc_context)
        try:
            data = await read_request(rpc_context.read, slot.receiving(deadline), limits.body_bytes)
        finally:
            if not method.server_streaming:  # a peer controls the flow of a stream until its end
                self._receiving.discard(rpc_context)
        request = parse_request(method, data, exchange.mode)
        return exchange.make_call(method, request, metadata, deadline, exchange.started + caller_s, data)

    @property
    def _all_unread(self) -> tuple[UnreadReplies, ...]:
        return self._unread, self._unread_waits, self._infrastructure.unread

    def _choose_unread(self, method: Method | None) -> UnreadReplies:
        is_wait = method is not None and method.service == WAITING_SERVICE
        return self._unread_waits if is_wait else self._unread

    def _sending(self, method: Method | None, rpc_context: RpcContext) -> AbstractContextManager[None]:
        """Return a context manager for the sending of one message of a stream.

        A stream that waits for an operation has no time limit, but each of its messages has one.
        """
        unread = self._choose_unread(method)
        return unread.sending(rpc_context) if unread is self._unread_waits else nullcontext()

    @asynccontextmanager
    async def _reporting(self, exchange: RpcExchange, rpc_context: RpcContext) -> AsyncIterator[None]:
        """Report the call after the `with` block. If the block raises an exception, end the call."""
        code = Code.CANCELLED
        unread = self._choose_unread(exchange.method)
        unread.begin(rpc_context)
        try:
            yield
            unread.send(rpc_context)
            code = Code.OK
        except GatewayError as error:
            shown = exchange.record_refusal(error)
            code = shown.code
            await exchange.abort(shown)
        except GeneratorExit:
            raise
        except asyncio.CancelledError:
            if not self._context.calls.is_cut:
                raise
            code = Code.UNAVAILABLE
            await exchange.abort(exchange.note(stopping_error()))
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            code = Code.INTERNAL
            exchange.log_failure()
            await exchange.abort(exchange.note(internal_error(exchange.trace_id)))
        finally:
            self._receiving.discard(rpc_context)
            exchange.finish(code)
