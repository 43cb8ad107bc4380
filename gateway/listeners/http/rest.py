"""The REST listener. It serves HTTP requests according to the HTTP rules of the descriptors."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.call import Reply
from gateway.errors import Code, GatewayError, to_status
from gateway.listeners.errors import HttpError, internal_error, stopping_error
from gateway.listeners.http.body import read_body
from gateway.listeners.http.http_exchange import HttpExchange
from gateway.listeners.http.operation_events import (
    HEARTBEAT,
    OperationEvents,
    find_watch,
    make_framing,
    to_watch_request,
)
from gateway.listeners.http.responses import (
    error_response,
    json_response,
    raw_response,
    set_common_headers,
    set_warnings,
)
from gateway.listeners.http.server import certificate_of
from gateway.listeners.http.streams import choose_framing, make_stream, with_heartbeats
from gateway.listeners.metadata import read_timeout
from gateway.transcode import Match, UnprintableError, WrongHttpMethod, http_status, parse_target, read_raw
from gateway.value_class import value_class

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest
    from google.protobuf.message import Message

    from gateway.call import Call, ReplyStream
    from gateway.limits import Slot
    from gateway.listeners.context import ListenerContext
    from gateway.listeners.http.body_response import BodyResponse
    from gateway.listeners.http.streams import Framing
    from gateway.schema import Method
    from gateway.tls import ClientCertificates
    from gateway.transcode import JsonWriter, RequestTarget, Route
    from gateway.transcode.template import Variable


@value_class(frozen=True, slots=True)
class _Target:
    """The route of a request, the called method, the captures of the path, and the query."""

    route: Route
    method: Method
    captures: tuple[tuple[Variable, str], ...]
    query: tuple[tuple[str, str], ...]


_NO_RESPONSE = http_status(Code.CANCELLED)


class RestListener:
    """Responds to HTTP requests. The pipeline processes the calls."""

    def __init__(self, context: ListenerContext, clients: ClientCertificates | None = None) -> None:
        """Initialize the listener.

        Args:
            context: the parts that both listeners share.
            clients: checks the certificates of callers; None without TLS.
        """
        self._context = context
        self._clients = clients

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Respond to a request. Only cancellations and lost connections are raised as exceptions."""
        exchange = HttpExchange(request, self._context)
        status = _NO_RESPONSE
        try:
            response = await self._finish(request, exchange)
            status = response.status
        finally:
            exchange.finish(status)
        return response

    async def _finish(self, request: BaseRequest, exchange: HttpExchange) -> web.StreamResponse:
        """Return the response to a request. If the call fails, the response describes the error."""
        try:
            response = await self._respond(request, exchange)
        except GatewayError as error:
            response = _error_response(exchange.record_refusal(error), exchange)
        except (asyncio.CancelledError, ConnectionError) as error:
            if isinstance(error, ConnectionError) or not self._context.calls.is_cut:  # the caller has left
                raise
            response = _error_response(exchange.note(stopping_error()), exchange)
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            exchange.log_failure()
            failure = exchange.note(internal_error(exchange.trace_id))
            if exchange.has_started:  # a response must not have two heads
                raise ConnectionError("the response has been started") from None
            response = _error_response(failure, exchange)
        if not response.prepared:
            set_common_headers(response, exchange.headers())
        if self._context.calls.is_stopping:
            response.force_close()
        return response

    async def _respond(self, request: BaseRequest, exchange: HttpExchange) -> web.StreamResponse:
        found = _look_up(request, exchange)
        headers = self._context.metadata.list_headers(request.headers)
        with await exchange.admit(
            request.remote or "", headers, certificate_of(request), self._clients
        ) as slot:
            if isinstance(found, GatewayError):  # raised only now, because the caller has to be known first
                raise found
            call = await self._read(request, exchange, found, headers, slot)
            reply = await exchange.snapshot.pipeline.handle(call, slot)
            route = found.route
            if not isinstance(reply, Reply):
                is_watch = call.method is not route.method
                framing = make_framing(request) if is_watch else choose_framing(request)
                return await self._stream(request, exchange, reply, framing)
            response = _to_response(reply.message, route, exchange.snapshot.writer)
            if reply.metadata:
                response.add_headers(reply.metadata)
            set_warnings(response, exchange.rename_fields(reply.warnings))
            return response

    async def _read(
        self,
        request: BaseRequest,
        exchange: HttpExchange,
        target: _Target,
        headers: list[tuple[str, str]],
        slot: Slot,
    ) -> Call:
        caller_s = read_timeout(request.headers, math.inf)
        deadline = exchange.started + min(caller_s, self._context.limits.deadline_s)
        metadata = self._context.metadata.read(headers)
        route = target.route
        body = await read_body(
            request,
            self._context.limits.body_bytes,
            partial(slot.receiving, deadline),
            is_json=not route.takes_raw_body,
        )
        content_type = _content_type(request) if route.takes_raw_body else ""
        message = route.binder.bind(target.captures, target.query, body, content_type)
        if target.method is not route.method:
            message = to_watch_request(target.method, message)
        return exchange.make_call(target.method, message, metadata, deadline, exchange.started + caller_s)

    async def _stream(
        self, request: BaseRequest, exchange: HttpExchange, replies: ReplyStream, framing: Framing
    ) -> web.StreamResponse:
        """Send each message of a response stream as soon as the message arrives.

        An error before the first message is raised. A later error is sent as the last element of the stream.
        """
        async with aclosing(replies):
            first = await anext(aiter(replies), None)
            if isinstance(framing, OperationEvents) and first is not None and framing.is_complete(first):
                return web.Response(status=HTTPStatus.NO_CONTENT, headers=framing.headers)
            response = make_stream(framing)
            set_common_headers(response, exchange.headers())
            set_warnings(response, exchange.rename_fields(replies.warnings))
            await response.prepare(request)
            exchange.has_started = True
            try:
                await self._send(response, first, replies, framing, exchange.snapshot.writer)
            except GatewayError as error:
                await response.write(_last(error, framing, exchange))
            except ConnectionError:
                raise
            except asyncio.CancelledError:
                if not self._context.calls.is_cut:
                    raise
                await response.write(_last(stopping_error(), framing, exchange))
            except Exception:  # noqa: BLE001 - as in handle; the response's head has been sent already
                exchange.log_failure()
                await response.write(_last(internal_error(exchange.trace_id), framing, exchange))
            await response.write_eof()
            return response

    async def _send(
        self,
        response: web.StreamResponse,
        first: Message | None,
        replies: ReplyStream,
        framing: Framing,
        writer: JsonWriter,
    ) -> None:
        if first is not None:
            await response.write(framing.frame(_to_json(first, writer), first))
        async with aclosing(with_heartbeats(replies, framing.heartbeat_s)) as messages:
            async for message in messages:
                text = HEARTBEAT if message is None else framing.frame(_to_json(message, writer), message)
                await response.write(text)


def _look_up(request: BaseRequest, exchange: HttpExchange) -> _Target | GatewayError:
    """Return the route of a request and its parameters. If there is none, return the error."""
    query: tuple[tuple[str, str], ...] = ()
    match = exchange.snapshot.router.find_fixed(exchange.http_method, request.raw_path)
    if match is None:
        try:
            target = parse_target(request.raw_path)
            match = _find(target, exchange)
        except GatewayError as error:
            return error
        query = target.query
    exchange.enter(match.route)
    method = match.route.method
    watch = find_watch(request, exchange, method)
    if watch is not None:
        exchange.set_method(watch)
    return _Target(match.route, watch or method, match.captures, query)


def _error_response(error: GatewayError, exchange: HttpExchange) -> BodyResponse:
    error.rename_fields(exchange.json_path)
    return error_response(error, exchange.snapshot.writer, exchange.id)


def _last(error: GatewayError, framing: Framing, exchange: HttpExchange) -> bytes:
    """Return the last element of a failed stream. This element reports the error."""
    exchange.note(error).rename_fields(exchange.json_path)
    status = exchange.snapshot.writer.write_status(to_status(error, exchange.id))
    return framing.frame_error(error, status)


def _find(target: RequestTarget, exchange: HttpExchange) -> Match[Route]:
    found = exchange.snapshot.router.find(exchange.http_method, target.segments)
    if isinstance(found, Match):
        return found
    if isinstance(found, WrongHttpMethod):
        raise HttpError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            Code.UNIMPLEMENTED,
            "METHOD_NOT_ALLOWED",
            f"this path takes {', '.join(found.allowed)}",
            headers={"Allow": ", ".join(found.allowed)},
        )
    raise GatewayError(Code.NOT_FOUND, "ROUTE_NOT_FOUND", "no method has this path")


def _content_type(request: BaseRequest) -> str:
    return request.headers.get("content-type", "").encode("ascii", "replace").decode()


def _to_response(message: Message, route: Route, writer: JsonWriter) -> BodyResponse:
    if route.returns_raw_body:
        return raw_response(*read_raw(message, route.rule.response_body))
    return json_response(_to_json(message, writer, route.rule.response_body))


def _to_json(message: Message, writer: JsonWriter, field_name: str = "") -> bytes:
    try:
        return writer.write(message, field_name)
    except UnprintableError as error:
        raise GatewayError(
            Code.INTERNAL, "UNPRINTABLE_REPLY", "the upstream's response has no JSON form; call it by gRPC"
        ) from error
