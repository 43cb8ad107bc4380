"""The REST listener: HTTP requests by the descriptors' rules."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from gateway.call import Call, Caller
from gateway.errors import Code, GatewayError, rename_fields, to_status
from gateway.listeners.context import Exchange
from gateway.listeners.errors import HttpError, client_streaming_error, internal_error, stopping_error
from gateway.listeners.http.body import read_body
from gateway.listeners.http.responses import (
    add_warnings,
    error_answer,
    json_answer,
    raw_answer,
)
from gateway.listeners.http.streams import choose_framing, open_stream
from gateway.listeners.metadata import read_timeout
from gateway.listeners.response_size import to_warning_headers
from gateway.schema import descriptor_of
from gateway.transcode import (
    Match,
    UnprintableError,
    WrongHttpMethod,
    http_status,
    parse_target,
    read_raw,
    to_json_path,
)

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_request import BaseRequest
    from google.protobuf.message import Message

    from gateway.listeners.context import ListenerContext
    from gateway.listeners.http.streams import Framing
    from gateway.serving.snapshot import Snapshot
    from gateway.transcode import JsonWriter, RequestTarget, Route

# Others are counted as one, so that a caller cannot make up time series.
_HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_SERVER_ERROR = 500


class RestListener:
    """Answers HTTP requests by way of the pipeline."""

    def __init__(self, shared: ListenerContext) -> None:
        self._shared = shared

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer a request; no exception but a cancellation leaves here."""
        exchange = _Exchange(request, self._shared)
        snapshot = self._shared.active.snapshot
        try:
            answer = await self._answer(request, exchange, snapshot)
        except GatewayError as error:
            error.rename_fields(exchange.json_path)
            answer = error_answer(error, snapshot.writer, exchange.id, exchange.trace_id)
        except (asyncio.CancelledError, ConnectionError) as error:
            if isinstance(error, ConnectionError) or not self._shared.calls.is_cut:  # the caller went away
                exchange.finish(http_status(Code.CANCELLED))
                raise
            answer = error_answer(stopping_error(), snapshot.writer, exchange.id, exchange.trace_id)
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            exchange.log_failure()
            failure = internal_error(exchange.trace_id)
            answer = error_answer(failure, snapshot.writer, exchange.id, exchange.trace_id)
        if self._shared.calls.is_stopping:
            answer.force_close()
        exchange.finish(answer.status)
        return answer

    async def _answer(
        self, request: BaseRequest, exchange: _Exchange, snapshot: Snapshot
    ) -> web.StreamResponse:
        deadline = exchange.started + read_timeout(request.headers, self._shared.limits.deadline_s)
        metadata = self._shared.metadata.read_http(request.headers)
        target = parse_target(request.raw_path)
        match = _find(snapshot, exchange.http_method, target)
        exchange.enter(match.route)
        route = match.route
        if route.method.client_streaming:
            raise client_streaming_error()
        body = await read_body(
            request, self._shared.limits.body_bytes, deadline, is_json=not route.takes_raw_body
        )
        call = Call(
            id=exchange.id,
            method=route.method,
            caller=Caller(address=request.remote or ""),
            request=route.binder.bind(match.captures, target.query, body, _content_type(request)),
            metadata=metadata,
            deadline=deadline,
            span=exchange.span,
        )
        if route.method.server_streaming:
            return await self._stream(request, exchange, snapshot, call)
        reply = await snapshot.pipeline.handle(call)
        answer = _write(reply.message, route, snapshot.writer)
        answer.headers.update(exchange.headers() | dict(reply.metadata))
        add_warnings(answer, exchange.warnings(reply.warnings))
        return answer

    async def _stream(
        self, request: BaseRequest, exchange: _Exchange, snapshot: Snapshot, call: Call
    ) -> web.StreamResponse:
        """Answer with each message as it comes; an error before the first one is an answer of its own."""
        framing = choose_framing(request)
        async with snapshot.pipeline.stream(call) as replies:
            first = await anext(replies.messages, None)
            headers = CIMultiDict(exchange.headers())
            headers.extend(
                ("Warning", text) for text in to_warning_headers(exchange.warnings(replies.warnings))
            )
            answer = await open_stream(request, framing, headers)
            try:
                if first is not None:
                    await answer.write(framing.frame(_text(first, snapshot.writer)))
                async for message in replies.messages:
                    await answer.write(framing.frame(_text(message, snapshot.writer)))
            except GatewayError as error:
                error.rename_fields(exchange.json_path)
                await answer.write(_last(error, framing, exchange, snapshot.writer))
            except ConnectionError:
                raise
            except asyncio.CancelledError:
                if not self._shared.calls.is_cut:
                    raise
                await answer.write(_last(stopping_error(), framing, exchange, snapshot.writer))
            except Exception:  # noqa: BLE001 - as in handle; the answer's head has been sent already
                exchange.log_failure()
                await answer.write(
                    _last(internal_error(exchange.trace_id), framing, exchange, snapshot.writer)
                )
            await answer.write_eof()
            return answer


def _last(error: GatewayError, framing: Framing, exchange: _Exchange, writer: JsonWriter) -> bytes:
    """Return the element of a stream that says how it failed."""
    return framing.frame_error(writer.write(to_status(error, exchange.id)))


def _find(snapshot: Snapshot, http_method: str, target: RequestTarget) -> Match[Route]:
    found = snapshot.router.find(http_method, target.segments)
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


def _write(message: Message, route: Route, writer: JsonWriter) -> web.Response:
    if route.returns_raw_body:
        return raw_answer(*read_raw(message, route.rule.response_body))
    return json_answer(_text(message, writer, route.rule.response_body))


def _text(message: Message, writer: JsonWriter, field_name: str = "") -> bytes:
    try:
        return writer.write(message, field_name)
    except UnprintableError as error:
        raise GatewayError(
            Code.INTERNAL, "UNPRINTABLE_REPLY", "the upstream's answer has no JSON form; call it by gRPC"
        ) from error


class _Exchange(Exchange):
    """One HTTP request while it is being answered."""

    def __init__(self, request: BaseRequest, shared: ListenerContext) -> None:
        self.http_method = request.method
        self._shown_method = self.http_method if self.http_method in _HTTP_METHODS else "_OTHER"
        attributes = {"http.request.method": self._shown_method, "url.scheme": request.scheme}
        super().__init__(shared, self._shown_method, request.headers, attributes)
        self._metrics = shared.metrics
        self._template = ""
        self._request: type[Message] | None = None
        self.facts = {"http_method": self._shown_method}

    def enter(self, route: Route) -> None:
        """Note what is called."""
        self._template = route.rule.template
        self._request = route.method.request
        self.facts |= {"route": self._template, "method": route.method.name}
        self.span.update_name(f"{self._shown_method} {self._template}")
        self.span.set_attribute("http.route", self._template)
        self.span.set_attribute("rpc.method", route.method.name)

    def json_path(self, path: str) -> str:
        """Return a field path of the request as every HTTP response writes it: with the names of JSON."""
        return path if self._request is None else to_json_path(path, descriptor_of(self._request))

    def warnings(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return warnings with the paths of fields as HTTP responses write them."""
        return tuple(rename_fields(text, self.json_path) for text in texts)

    def finish(self, status: int) -> None:
        """Tell of the answer in the trace, the metrics and the log."""
        self.span.set_attribute("http.response.status_code", status)
        duration_s = self.end(status, is_failure=status >= _SERVER_ERROR)
        self._metrics.record_request(duration_s, self._shown_method, self._template, status)
