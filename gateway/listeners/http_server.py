"""An HTTP server of one handler, on aiohttp's low-level server: no framework in between.

aiohttp answers what it cannot parse by itself; here that answer is a Status in
JSON as well, quotes nothing that was sent and prints no traceback.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler

from gateway.config import Address, ListenerTls
from gateway.errors import Code
from gateway.listeners.addresses import cannot_listen, read_tls, tls_fault
from gateway.listeners.answers import HttpError, error_answer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from aiohttp.web_request import BaseRequest

    from gateway.transcode import JsonWriter

_KEEPALIVE_S = 75.0
_LINGER_S = 1.0

HEAD_S = 10.0
"""Seconds that a new connection has to send the head of its first request."""


class HttpServer:
    """Serves one handler at one address."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]],
        writer: JsonWriter,
        header_bytes: int,
        new_id: Callable[[], str],
        drain_s: float,
    ) -> None:
        """Prepare.

        Args:
            handler: answers every request that could be parsed.
            writer: writes the answers to the others.
            header_bytes: longest request line, and longest header.
            new_id: gives the request ID of an answer to a request that could not be parsed.
            drain_s: how long requests under way have to end when the server stops, in seconds.
        """
        self._handler = handler
        self._writer = writer
        self._header_bytes = header_bytes
        self._new_id = new_id
        self._drain_s = drain_s
        self._runner: web.ServerRunner | None = None

    async def start(self, name: str, listen: Address, tls: ListenerTls | None) -> Address:
        """Listen; return the address, with the port that was free when 0 was asked for.

        Args:
            name: of the listener's section in the configuration.
            listen: where.
            tls: plaintext without it.

        Raises:
            FaultsError: the address is taken, or a TLS file cannot be used.
        """
        context = _tls_context(tls, f"{name}.tls") if tls else None
        server = _Server(
            self._handler,
            self,
            max_line_size=self._header_bytes,
            max_field_size=self._header_bytes,
            keepalive_timeout=_KEEPALIVE_S,
            lingering_time=_LINGER_S,
            access_log=None,
        )
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=self._drain_s)
        await self._runner.setup()
        site = web.TCPSite(self._runner, listen.host or None, listen.port, ssl_context=context, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise cannot_listen(name, listen, error) from error
        port = self._runner.addresses[0][1]
        return Address(host=listen.host, port=port)

    async def stop(self) -> None:
        """Stop listening and let requests under way end."""
        if self._runner is not None:
            await self._runner.cleanup()

    def refuse(self, error: BaseException | None) -> web.Response:
        """Answer a request that is no HTTP, or ended in aiohttp's own hands."""
        request_id = self._new_id()
        return error_answer(_parse_error(error), self._writer, request_id, request_id.replace("-", ""))


class _Server(web.Server):
    def __init__(self, handler: Any, owner: HttpServer, **options: Any) -> None:
        # A handler is cancelled when its caller goes away; the pipeline knows what must go on all the same.
        super().__init__(handler, handler_cancellation=True)
        self._owner = owner
        self._options = options

    def __call__(self) -> RequestHandler:
        return _Protocol(self, self._owner, loop=self._loop, **self._options)


class _Protocol(RequestHandler):
    __slots__ = ("_owner",)

    def __init__(self, manager: web.Server, owner: HttpServer, **options: Any) -> None:
        super().__init__(manager, **options)
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Later requests have the keep-alive's time; for the first one the server would wait for ever.
        self._loop.call_later(HEAD_S, self._close_without_request)

    def _close_without_request(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's form
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what was sent
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        answer = self._owner.refuse(exc)
        answer.force_close()
        return answer


def _parse_error(error: BaseException | None) -> HttpError:
    if isinstance(error, http_exceptions.LineTooLong):
        return headers_too_large()
    return HttpError(
        HTTPStatus.BAD_REQUEST, Code.INVALID_ARGUMENT, "MALFORMED_HTTP", "the request is not well-formed HTTP"
    )


def headers_too_large() -> HttpError:
    """Return the answer to a request whose line or headers are over the limit."""
    return HttpError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code.INVALID_ARGUMENT,
        "HEADERS_TOO_LARGE",
        "the request line or the headers are larger than the gateway takes",
    )


def _tls_context(tls: ListenerTls, section: str) -> ssl.SSLContext:
    _, _, roots = read_tls(tls, section)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if roots is not None:
            context.load_verify_locations(cadata=roots.decode("ascii", "ignore"))
            context.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as error:  # PEM files, but not what OpenSSL serves: a key that is too short
        raise tls_fault(tls, section, error.reason or "cannot be used") from error
    return context
