"""Tries a call for the API page: an ordinary HTTP request to the REST listener of this gateway.

The call takes the path of all REST calls, with the headers that the person gave on the page, and with no
identity of the gateway. `X-Forwarded-For` has the address of the person. Nothing of a call is kept or logged
here. gateway/listeners/http/api_page/guard.py describes who may try calls.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from gateway.errors import GatewayError
from gateway.listeners.errors import HttpError
from gateway.listeners.http.api_page.guard import TryGuard, is_own_page
from gateway.listeners.http.api_page.tried_call import parse_tried_call
from gateway.listeners.http.body import read_body
from gateway.listeners.http.responses import tree_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import ClientResponse, web
    from aiohttp.web_request import BaseRequest

    from gateway.config import Address, Config
    from gateway.listeners.http.api_page.tried_call import TriedCall

MAX_CALLS = 4
"""The maximum number of tried calls at the same time."""
MAX_RESPONSE_BYTES = 1_048_576
"""The maximum size of a response that the page shows. A longer response is cut."""
RECEIVE_S = 10.0
"""The maximum time in which a request to try a call has to arrive, in seconds."""
SPARE_S = 5.0
"""The time that a tried call may take in addition to the limits of the REST listener, in seconds."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_ENVELOPE_BYTES = 4096


class TryOut:
    """Tries calls."""

    def __init__(self, config: Config, find_rest: Callable[[], Address | None]) -> None:
        """Initialize the object.

        Args:
            config: the configuration.
            find_rest: a function that returns the address of the REST listener; None before it listens.
        """
        self._config = config
        self._guard = TryGuard(config)
        self._find_rest = find_rest
        self._active = 0
        limits = config.limits
        # Escapes in JSON make a body longer. Most bodies have less than one quote or line break in two bytes.
        self._max_bytes = 2 * (limits.body_bytes + limits.header_bytes) + _ENVELOPE_BYTES
        self.timeout_s = max(limits.deadline_s, limits.wait_s) + SPARE_S

    def describe(self, request: BaseRequest) -> web.Response:
        """Return a response that says whether the page may try calls, and if not, why."""
        obstacle = self._guard.find_obstacle(request.remote or "", request.headers)
        shown = {"is_possible": not obstacle, "reason": obstacle}
        return _respond(shown)

    async def call(self, request: BaseRequest) -> web.Response:
        """Try the call that a request of the page describes, and return what the REST listener responded."""
        if not is_own_page(request.headers):
            return _refuse(HTTPStatus.FORBIDDEN, "calls are tried only from the page /docs of this gateway")
        if obstacle := self._guard.find_obstacle(request.remote or "", request.headers):
            return _refuse(HTTPStatus.FORBIDDEN, obstacle)
        if self._active >= MAX_CALLS:
            return _refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many calls are being tried; try again later")
        self._active += 1
        try:
            return await self._call(request)
        finally:
            self._active -= 1

    async def _call(self, request: BaseRequest) -> web.Response:
        try:
            data = await read_body(request, self._max_bytes, lambda: asyncio.timeout(RECEIVE_S))
            call = parse_tried_call(data)
        except GatewayError as error:
            status = error.status if isinstance(error, HttpError) else HTTPStatus.BAD_REQUEST
            return _refuse(status, str(error))
        except ValueError as error:
            return _refuse(HTTPStatus.BAD_REQUEST, str(error))
        address = self._find_rest()
        if address is None:
            return _refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the REST listener does not accept calls yet")
        try:
            return _respond(await self._send(call, address, request.remote or ""))
        except TimeoutError:
            return _refuse(HTTPStatus.GATEWAY_TIMEOUT, "the REST listener did not respond in time")
        except (ClientError, OSError, ValueError):  # the texts of these errors may contain header values
            return _refuse(HTTPStatus.BAD_GATEWAY, "the REST listener could not be called")

    async def _send(self, call: TriedCall, address: Address, peer: str) -> dict[str, Any]:
        started = time.perf_counter_ns()
        session = ClientSession(
            connector=TCPConnector(ssl=self._make_tls(), force_close=True),
            timeout=ClientTimeout(total=None, connect=SPARE_S),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=self._config.limits.header_bytes,
            max_field_size=self._config.limits.header_bytes,
        )
        async with session:
            async with asyncio.timeout(self.timeout_s) as timeout:
                response = await session.request(
                    call.method,
                    self._make_url(call, address),
                    headers=[*call.headers, ("X-Forwarded-For", peer)],
                    data=None if call.body is None else call.body.encode(),
                    allow_redirects=False,
                )
            with closing(response):  # ends the call, if the response is cut
                body, is_cut = await _read(response, timeout.when())
        return {
            "status": response.status,
            "reason": response.reason or "",
            "headers": list(response.headers.items()),
            "body": body.decode(errors="replace"),
            "is_cut": is_cut,
            "duration_ms": round((time.perf_counter_ns() - started) / 1e6, 3),
        }

    def _make_url(self, call: TriedCall, address: Address) -> URL:
        path, _, query = call.path.partition("?")
        return URL.build(
            scheme="https" if self._config.rest.tls else "http",
            host=_ANY_ADDRESS.get(address.host, address.host),
            port=address.port,
            path=path,
            query_string=query,
            encoded=True,
        )

    def _make_tls(self) -> ssl.SSLContext | bool:
        """Return a TLS context that accepts only the certificate of the REST listener.

        The name in the certificate is not checked, because the gateway calls itself by its address.
        """
        tls = self._config.rest.tls
        if tls is None:
            return True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(tls.certificate)
        return context


async def _read(response: ClientResponse, deadline: float | None) -> tuple[bytes, bool]:
    """Return the body of a response, and whether it was cut because it is too long or takes too long."""
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    return bytes(body[:MAX_RESPONSE_BYTES]), True
    except TimeoutError:
        return bytes(body), True
    return bytes(body), False


def _respond(tree: dict[str, Any], status: int = HTTPStatus.OK) -> web.Response:
    response = tree_response(tree, status)
    response.headers.update(_HEADERS)
    return response


def _refuse(status: int, message: str) -> web.Response:
    return _respond({"error": message}, status)
