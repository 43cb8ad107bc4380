"""The REST listener: HTTP requests by the descriptors' rules."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from gateway.call import Call
from gateway.caller import Caller
from gateway.errors import Code, GatewayError, to_status
from gateway.field_text import rename_fields
from gateway.listeners.answers import (
    HttpError,
    add_warnings,
    error_answer,
    internal_error,
    json_answer,
    raw_answer,
    warning_texts,
)
from gateway.listeners.body import read_body
from gateway.listeners.front import Exchange
from gateway.listeners.headers import read_timeout
from gateway.listeners.streams import choose_framing, open_stream
from gateway.schema import descriptor_of
from gateway.transcode import (
    Match,
    UnprintableError,
    WrongVerb,
    http_status,
    parse_target,
    read_raw,
    to_json_path,
)

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_request import BaseRequest
    from google.protobuf.message import Message

    from gateway.listeners.front import Front
    from gateway.listeners.streams import Framing
    from gateway.surface import Surface
    from gateway.transcode import JsonWriter, Route, Target

# Others are counted as one, so that a caller cannot make up time series.
_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_SERVER_ERROR = 500


class RestListener:
    """Answers HTTP requests by way of the pipeline."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer a request; no exception but a cancellation leaves here."""
        exchange = _Exchange(request, self._front)
        surface = self._front.serving.surface
        try:
            answer = await self._answer(request, exchange, surface)
        except GatewayError as error:
            error.rename_fields(exchange.json_path)
            answer = error_answer(error, surface.writer, exchange.id, exchange.trace_id)
        except (asyncio.CancelledError, ConnectionError):  # the caller went away
            exchange.finish(http_status(Code.CANCELLED))
            raise
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            exchange.log_failure()
            failure = internal_error(exchange.trace_id)
            answer = error_answer(failure, surface.writer, exchange.id, exchange.trace_id)
        exchange.finish(answer.status)
        return answer

    async def _answer(
        self, request: BaseRequest, exchange: _Exchange, surface: Surface
    ) -> web.StreamResponse:
        deadline = exchange.started + read_timeout(request.headers, self._front.limits.deadline_s)
        metadata = self._front.metadata.read_http(request.headers)
        target = parse_target(request.raw_path)
        match = _find(surface, exchange.verb, target)
        exchange.enter(match.route)
        route = match.route
        if route.method.client_streaming:
            raise GatewayError(
                Code.UNIMPLEMENTED, "CLIENT_STREAMING", "a stream of requests is served by neither listener"
            )
        body = await read_body(
            request, self._front.limits.body_bytes, deadline, is_json=not route.takes_raw_body
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
            return await self._stream(request, exchange, surface, call)
        reply = await surface.pipeline.handle(call)
        answer = _write(reply.message, route, surface.writer)
        answer.headers.update(exchange.headers() | dict(reply.metadata))
        add_warnings(answer, exchange.warnings(reply.warnings))
        return answer

    async def _stream(
        self, request: BaseRequest, exchange: _Exchange, surface: Surface, call: Call
    ) -> web.StreamResponse:
        """Answer with each message as it comes; an error before the first one is an answer of its own."""
        framing = choose_framing(request)
        async with surface.pipeline.stream(call) as replies:
            first = await anext(replies.messages, None)
            headers = CIMultiDict(exchange.headers())
            headers.extend(("Warning", text) for text in warning_texts(exchange.warnings(replies.warnings)))
            answer = await open_stream(request, framing, headers)
            try:
                if first is not None:
                    await answer.write(framing.frame(_text(first, surface.writer)))
                async for message in replies.messages:
                    await answer.write(framing.frame(_text(message, surface.writer)))
            except GatewayError as error:
                error.rename_fields(exchange.json_path)
                await answer.write(_last(error, framing, exchange, surface.writer))
            except (asyncio.CancelledError, ConnectionError):
                raise
            except Exception:  # noqa: BLE001 - as in handle; the answer's head has been sent already
                exchange.log_failure()
                await answer.write(
                    _last(internal_error(exchange.trace_id), framing, exchange, surface.writer)
                )
            await answer.write_eof()
            return answer


def _last(error: GatewayError, framing: Framing, exchange: _Exchange, writer: JsonWriter) -> bytes:
    """Return the element of a stream that says how it failed."""
    return framing.frame_error(writer.write(to_status(error, exchange.id)))


def _find(surface: Surface, verb: str, target: Target) -> Match[Route]:
    found = surface.router.find(verb, target.segments)
    if isinstance(found, Match):
        return found
    if isinstance(found, WrongVerb):
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
    if route.gives_raw_body:
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

    def __init__(self, request: BaseRequest, front: Front) -> None:
        self.verb = request.method
        self._shown_verb = self.verb if self.verb in _VERBS else "_OTHER"
        attributes = {"http.request.method": self._shown_verb, "url.scheme": request.scheme}
        super().__init__(front, self._shown_verb, request.headers, attributes)
        self._metrics = front.metrics
        self._template = ""
        self._request: type[Message] | None = None
        self.facts = {"verb": self._shown_verb}

    def enter(self, route: Route) -> None:
        """Note what is called."""
        self._template = route.rule.template
        self._request = route.method.request
        self.facts |= {"route": self._template, "method": route.method.name}
        self.span.update_name(f"{self._shown_verb} {self._template}")
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
        self._metrics.record_request(duration_s, self._shown_verb, self._template, status)
