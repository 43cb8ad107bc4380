"""An HTTP server that passes all requests to one handler. It uses aiohttp's low-level server.

aiohttp itself responds to requests that it cannot parse. This module replaces these responses with a
google.rpc.Status in JSON, which quotes no part of the request. It also prevents tracebacks in the log.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import HttpVersion10, HttpVersion11, hdrs, http_exceptions, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.web_protocol import RequestHandler

from gateway.config import Address
from gateway.errors import Code, GatewayError
from gateway.listeners.errors import HttpError, headers_too_large
from gateway.listeners.http.acceptor import Acceptor, Connection
from gateway.listeners.http.body_response import BodyResponse
from gateway.listeners.http.responses import error_response, set_common_headers, to_bytes
from gateway.listeners.listening import cannot_listen
from gateway.listeners.metadata import new_identifiers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import StreamReader
    from aiohttp.web_request import BaseRequest

    from gateway.listeners.http.acceptor import Bounds
    from gateway.tls import ServerTls
    from gateway.transcode import JsonWriter

_log = logging.getLogger(__name__)

KEEPALIVE_S = 75.0
"""The number of seconds after which a connection without requests is closed."""
HEAD_S = 10.0
"""The maximum duration of a TLS handshake, in seconds. The head of a request has the same time limit."""
WRITE_S = 30.0
"""The number of seconds after which a connection is closed if the peer does not read the response."""
_LINGER_S = 1.0
_VERSIONS = {HttpVersion10, HttpVersion11}


class HttpServer:
    """An HTTP server that listens on one address, and passes all requests to one handler."""

    def __init__(
        self,
        name: str,
        handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]],
        writer: JsonWriter,
        header_bytes: int,
    ) -> None:
        """Initialize the server.

        Args:
            name: the name of the listener.
            handler: the function that responds to every request that could be parsed.
            writer: the JSON writer for responses to requests that could not be parsed.
            header_bytes: the maximum size of the request line, and of each header, in bytes.
        """
        self._name = name
        self._handler = handler
        self._writer = writer
        self._header_bytes = header_bytes
        self._server: _Server | None = None
        self._acceptor: Acceptor | None = None

    async def start(self, listen: Address, tls: ServerTls | None, bounds: Bounds) -> Address:
        """Start to listen, and return the address.

        If the given port is 0, the returned address has the port that the system chose.

        Args:
            listen: the address to listen on.
            tls: TLS of the listener; None for plaintext.
            bounds: the connection limits.

        Raises:
            FaultsError: the address cannot be used.
        """
        server = self._server = _Server(self._dispatch, self, self._header_bytes)
        self._acceptor = Acceptor(self._name, bounds, server.connect, self._refuse_connection, tls, HEAD_S)
        try:
            port = await self._acceptor.start(listen)
        except OSError as error:
            raise cannot_listen(self._name, listen, error) from error
        return Address(host=listen.host, port=port)

    async def stop(self, drain_s: float, idle_s: float = 0.0) -> None:
        """Stop listening, close idle connections, and let active requests end.

        Args:
            drain_s: the number of seconds after which connections with active requests are closed.
            idle_s: the number of seconds in which clients may send one more request on idle connections.
        """
        if self._server is None or self._acceptor is None:
            return
        await self._acceptor.close()
        await self._acceptor.end_idle(idle_s)
        self._server.pre_shutdown()
        await self._server.shutdown(drain_s)

    def refuse(self, error: GatewayError) -> web.Response:
        """Return the response to a request that did not reach the handler.

        The connection is closed after this response.
        """
        identifiers = new_identifiers()
        response = error_response(error, self._writer, identifiers["x-request-id"])
        set_common_headers(response, identifiers)
        response.force_close()
        return response

    def _refuse_connection(self) -> bytes:
        return to_bytes(self.refuse(_TOO_MANY_CONNECTIONS))

    def _dispatch(self, request: BaseRequest) -> Awaitable[web.StreamResponse]:
        # The public property `version` would cache the refused version. Then the response would also have the
        # refused version.
        if request._version not in _VERSIONS:  # noqa: SLF001 - as said
            return self._refuse_version(request)
        if hdrs.TRANSFER_ENCODING in request.headers:
            return self._handle_last(request)
        return self._handler(request)

    async def _handle_last(self, request: BaseRequest) -> web.StreamResponse:
        """Respond to a request with a chunked body, and close the connection.

        aiohttp (3.14) adds the last trailer of a chunked body to the headers of the next request on the
        connection. A proxy may send the requests of several callers on one connection. So a caller could add
        a header, such as its credential, to the request of another caller.
        """
        response = await self._handler(request)
        response.force_close()
        return response

    async def _refuse_version(self, request: BaseRequest) -> web.Response:
        request._version = HttpVersion11  # noqa: SLF001 - no public setter
        return self.refuse(_MALFORMED)


class _Server(web.Server):
    def __init__(self, handler: Any, owner: HttpServer, header_bytes: int) -> None:
        # A handler is cancelled when its caller disconnects. The pipeline decides which calls continue.
        super().__init__(handler, handler_cancellation=True)
        self._owner = owner
        self._header_bytes = header_bytes

    def connect(self, on_lost: Callable[[Connection], None]) -> _Protocol:
        return _Protocol(
            self,
            self._owner,
            on_lost,
            loop=self._loop,
            max_line_size=self._header_bytes,
            max_field_size=self._header_bytes,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=_LINGER_S,
            access_log=None,
            auto_decompress=False,
        )


class _Protocol(RequestHandler, Connection):
    """An aiohttp connection. Each wait for the peer has a time limit.

    Attributes:
        certificate: the certificate of the peer in DER form, which the TLS handshake has verified; None if
            the peer presented none.
    """

    __slots__ = ("_is_left", "_on_lost", "_owner", "_timers", "certificate")

    def __init__(
        self, manager: web.Server, owner: HttpServer, on_lost: Callable[[Connection], None], **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._owner = owner
        self._on_lost = on_lost
        self.certificate: bytes | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_left = False  # whether aiohttp's own loop serves the connection
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    @property
    def idle_since(self) -> float | None:
        if self.transport is not None and not self._is_waiting():
            return None
        return self._next_keepalive_close_time - self._keepalive_timeout

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")  # the handshake has ended
        if tls is not None:
            self.certificate = tls.getpeercert(binary_form=True)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._on_lost(self)
        super().connection_lost(exc)
        for name in tuple(self._timers):
            self._stop_timer(name)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001 - a failure of the parser; it may quote the request
            self._refuse_bytes()
            return
        if self._is_waiting():
            self._expect_head()  # only a part of the head has arrived
        elif self._timers:
            self._stop_timer("head")

    async def start(self) -> None:
        """Respond to the requests of the connection, one after another.

        aiohttp does the same with a task for each request. This loop needs no further task, but it takes only
        requests that have arrived completely. The first other request leaves the connection to aiohttp.
        """
        while not self._force_close:
            if not self._messages:
                await self._next_request()
            message, payload = self._messages[0]
            if not isinstance(message, RawRequestMessage) or not payload.is_eof() or self._buffer_paused:
                self._leave_to_aiohttp()
                await super().start()
                return
            self._messages.popleft()
            if not await self._respond(message, payload):
                break
            self._await_next()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def _leave_to_aiohttp(self) -> None:
        """Let aiohttp's own loop serve the connection from now on.

        The parser of aiohttp stops when 32 requests wait, and the loop lets it go on when some of them were
        taken. But the loop takes a request before its body has arrived, and the parser counts it afterwards.
        So the parser may stop when fewer requests wait, and nobody would let it go on. After each request of
        such a connection, the parser is therefore asked for what it has left.
        """
        self._is_left = True
        handle = self._request_handler
        if handle is None:  # the connection has been lost
            return

        async def handle_and_parse(request: BaseRequest) -> web.StreamResponse:
            response = await handle(request)
            if not (self._messages or self._upgraded or self._reading_paused):
                self.data_received(b"")
            return response

        self._request_handler = handle_and_parse

    async def _next_request(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _respond(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Respond to a request, and return whether the connection stays open."""
        manager, parser, handle = self._manager, self._parser, self._request_handler
        if manager is None or parser is None or handle is None or self._task_handler is None:
            return False  # the connection has been lost
        parser.message_consumed()
        manager.requests_count += 1
        writer = StreamWriter(self, self._loop)
        request = manager.request_factory(message, payload, self, writer, self._task_handler)
        try:
            response, is_lost = await self._handle_request(request, None, handle)
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:  # noqa: BLE001 - the response could not be sent; the text may quote it
            _log.error("response cannot be sent", extra={"error": type(error).__name__})
            self.force_close()
            return False
        finally:
            # If the task is cancelled, its exception refers to the request. Without this line, the request
            # would refer to the task, and both would stay in memory until garbage is collected.
            request._task = None  # type: ignore[assignment] # noqa: SLF001 - aiohttp does the same
        self._keepalive = not is_lost and bool(response.keep_alive)
        return self._keepalive and not self._close

    def _await_next(self) -> None:
        """Start aiohttp's timeout for connections on which no further request arrives."""
        self._next_keepalive_close_time = closes = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(closes, self._process_keepalive)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        # aiohttp calls this method twice for each request. If nothing is paused, there is nothing to resume,
        # except as _leave_to_aiohttp() says.
        if self._is_left or self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # aiohttp's method does more, and takes longer.
        if not self._upgraded and isinstance(resp, BodyResponse) and resp.send(request):
            if self.writing_paused:
                await request.writer.drain()
            return resp, False
        return await super().finish_response(request, resp, start_time)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_timer("write", WRITE_S, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timer("write")

    def force_close(self) -> None:
        transport = self.transport
        super().force_close()
        if transport is not None:
            # aiohttp closes a connection after all data is sent. A peer that does not read the
            # data could delay this, so a timer aborts the connection.
            self._start_timer("close", WRITE_S, transport.abort)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("a response has been started already")
        return self._owner.refuse(_parse_error(exc))

    def _is_waiting(self) -> bool:
        """Return whether no request is active, and the connection waits for the head of a request."""
        return not self._request_count or (self._waiter is not None and not self._waiter.done())

    def _expect_head(self) -> None:
        """Start the timeout for the head of the next request.

        This timeout is needed because aiohttp's keep-alive timeout applies only to connections on which
        nothing arrives after a response.
        """
        if "head" not in self._timers:
            self._start_timer("head", HEAD_S, self.force_close)

    def _refuse_bytes(self) -> None:
        """Close the connection because the parser cannot read the received bytes.

        If no request is active, an error response is sent first.
        """
        if self._is_waiting() and self.transport is not None:
            self.transport.write(to_bytes(self._owner.refuse(_MALFORMED)))
        self.force_close()

    def _start_timer(self, name: str, timeout_s: float, act: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(timeout_s, act)

    def _stop_timer(self, name: str) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()


_MALFORMED = HttpError(
    HTTPStatus.BAD_REQUEST, Code.INVALID_ARGUMENT, "MALFORMED_HTTP", "the request is not well-formed HTTP/1.1"
)
_TOO_MANY_CONNECTIONS = GatewayError(
    Code.UNAVAILABLE, "TOO_MANY_CONNECTIONS", "too many connections are open; try again later"
)


def _parse_error(error: BaseException | None) -> HttpError:
    return headers_too_large() if isinstance(error, http_exceptions.LineTooLong) else _MALFORMED


def certificate_of(request: BaseRequest) -> bytes | None:
    """Return the certificate of the peer that sent a request, in DER form.

    The TLS handshake has verified the certificate. The result is None if the peer presented none.
    """
    connection = request.protocol
    return connection.certificate if isinstance(connection, _Protocol) else None
