"""The REST listener: HTTP requests by the descriptors' rules."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from opentelemetry.trace import Status, StatusCode

from gateway.call import Call
from gateway.errors import Code, GatewayError
from gateway.listeners.answers import (
    HttpError,
    add_warnings,
    common_headers,
    error_answer,
    internal_error,
    json_answer,
)
from gateway.listeners.body import read_body
from gateway.listeners.headers import read_metadata, read_timeout, request_id
from gateway.telemetry import trace_id_of
from gateway.transcode import Match, WrongVerb, parse_target

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_request import BaseRequest

    from gateway.config import Limits
    from gateway.pipeline import Pipeline
    from gateway.telemetry import Metrics, Span, Tracing
    from gateway.transcode import JsonWriter, Route, Router, Target

_log = logging.getLogger(__name__)

# Others are counted as one, so that a caller cannot make up time series.
_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_SERVER_ERROR = 500


class RestListener:
    """Answers HTTP requests by way of the pipeline."""

    def __init__(
        self,
        router: Router[Route],
        writer: JsonWriter,
        pipeline: Pipeline,
        tracing: Tracing,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._router = router
        self._writer = writer
        self._pipeline = pipeline
        self._tracing = tracing
        self._metrics = metrics
        self._limits = limits

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer a request; no exception but a cancellation leaves here."""
        exchange = _Exchange(request, self._tracing)
        try:
            answer = await self._answer(request, exchange)
        except GatewayError as error:
            answer = error_answer(error, self._writer, exchange.id, exchange.trace_id)
        except asyncio.CancelledError:
            exchange.span.end()
            raise
        except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
            _log.exception("call failed", extra=exchange.log_fields())
            failure = internal_error(exchange.trace_id)
            answer = error_answer(failure, self._writer, exchange.id, exchange.trace_id)
        exchange.finish(answer.status, self._metrics)
        return answer

    async def _answer(self, request: BaseRequest, exchange: _Exchange) -> web.Response:
        deadline = exchange.started + read_timeout(request.headers, self._limits.deadline_s)
        metadata = read_metadata(request.headers, self._limits.header_bytes)
        target = parse_target(request.raw_path)
        match = self._find(exchange.verb, target)
        exchange.enter(match.route)
        body = await read_body(request, self._limits.body_bytes, deadline)
        call = Call(
            id=exchange.id,
            method=match.route.method,
            request=match.route.binder.bind(match.captures, target.query, body),
            metadata=metadata,
            deadline=deadline,
            span=exchange.span,
        )
        reply = await self._pipeline.handle(call)
        headers = common_headers(exchange.id, exchange.trace_id) | dict(reply.metadata)
        answer = json_answer(self._writer.write(reply.message, match.route.rule.response_body), 200, headers)
        add_warnings(answer, reply.warnings)
        return answer

    def _find(self, verb: str, target: Target) -> Match[Route]:
        found = self._router.find(verb, target.segments)
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


class _Exchange:
    """One request while it is being answered: its names and its times."""

    def __init__(self, request: BaseRequest, tracing: Tracing) -> None:
        self.started = asyncio.get_running_loop().time()
        self.id = request_id(request.headers)
        self.verb = request.method
        self.shown_verb = self.verb if self.verb in _VERBS else "_OTHER"
        self.route: Route | None = None
        self.span: Span = tracing.start_server(
            self.shown_verb,
            request.headers,
            {"http.request.method": self.shown_verb, "url.scheme": request.scheme},
        )
        self.trace_id = trace_id_of(self.span)

    def enter(self, route: Route) -> None:
        """Note what is called."""
        self.route = route
        self.span.update_name(f"{self.shown_verb} {route.rule.template}")
        self.span.set_attribute("http.route", route.rule.template)
        self.span.set_attribute("rpc.method", route.method.name)

    def finish(self, status: int, metrics: Metrics) -> None:
        """Tell of the answer in the trace, the metrics and the log."""
        duration_s = asyncio.get_running_loop().time() - self.started
        self.span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()
        template = self.route.rule.template if self.route else ""
        metrics.record_request(duration_s, self.shown_verb, template, status)
        _log.info(
            "answered",
            extra={**self.log_fields(), "status": status, "duration_ms": round(duration_s * 1e3, 2)},
        )

    def log_fields(self) -> dict[str, str]:
        """Return the fields of every log line about this call."""
        return {
            "call_id": self.id,
            "trace_id": self.trace_id,
            "verb": self.shown_verb,
            "route": self.route.rule.template if self.route else "",
            "method": self.route.method.name if self.route else "",
        }
