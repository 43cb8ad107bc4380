"""One HTTP request and its response."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.call import Caller
from gateway.errors import Code
from gateway.listeners.exchange import SERVER_ERRORS, Exchange, describe_caller, shorten
from gateway.redaction import redact_value
from gateway.schema import descriptor_of
from gateway.telemetry import SharedAttributes

if TYPE_CHECKING:
    from aiohttp import HttpVersion
    from aiohttp.web_request import BaseRequest

    from gateway.listeners.context import ListenerContext
    from gateway.schema import Method
    from gateway.transcode import Route

# The HTTP methods that metrics show by name. All other HTTP methods share one name in metrics, so that
# callers cannot create an unlimited number of time series.
_HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_OK = Code.OK  # in Python 3.11, a look-up of a member in its class is slow
_SERVER_ERROR = 500
_CLIENT_ERROR = 400
_OTHER = "_OTHER"
_CACHED = 1024  # maximum number of entries in each cache
_MAX_HOST = 256  # maximum number of characters of a host
_MAX_AGENT = 256  # maximum number of characters of a cached User-Agent
_MAX_PATH = 512  # maximum number of characters of a path in a span


class HttpExchange(Exchange):
    """One HTTP request and its response.

    Attributes:
        http_method: the HTTP method of the request.
        has_started: whether the head of a streamed response was sent.
    """

    def __init__(self, request: BaseRequest, context: ListenerContext) -> None:
        self.http_method = request.method
        self._shown_method = self.http_method if self.http_method in _HTTP_METHODS else _OTHER
        attributes = _start(self._shown_method, request.scheme)
        self._span_method = "HTTP" if self._shown_method == _OTHER else self._shown_method
        snapshot, headers = context.active.snapshot, request.headers
        super().__init__(context, snapshot, self._span_method, headers, attributes)
        self._request = request
        self.has_started = False
        self._metrics = context.metrics
        self._template = ""
        self.facts = {"http_method": self._shown_method}

    def enter(self, route: Route) -> None:
        """Set the route of the request, and show the route in log lines."""
        self._template = route.rule.template
        self.facts |= {"route": self._template}
        self.set_method(route.method)

    def set_method(self, method: Method) -> None:
        """Set the method that is called, and show it in log lines."""
        self.method = method
        self.facts |= {"method": method.name}

    def json_path(self, path: str) -> str:
        """Return a field path of the request with JSON names. HTTP responses use JSON names for fields."""
        if self.method is None:
            return path
        return self.snapshot.writer.to_json_path(path, descriptor_of(self.method.request))

    def rename_fields(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Replace the field names in texts with JSON names. HTTP responses use JSON names for fields."""
        if self.method is None:
            return texts
        writer, descriptor = self.snapshot.writer, descriptor_of(self.method.request)
        return tuple([writer.to_json_text(text, descriptor) for text in texts])

    def finish(self, status: int) -> None:
        """Report the response in the trace, the metrics and the log."""
        if self.error is not None:
            code = self.error.code
        else:  # without an error, the caller has left before the response was complete
            code = _OK if status < _CLIENT_ERROR else Code.CANCELLED
        duration_s = self.end(status, code)
        self._metrics.record_request(duration_s, self._shown_method, self._template, status, self.span)

    def describe(self, status: int | str, code: Code) -> SharedAttributes:
        """Set what only this span has, and return the attributes that it has in common with other spans.

        https://opentelemetry.io/docs/specs/semconv/http/http-spans/
        The query is left out, because it may contain secrets.
        """
        span, request, template = self.span, self._request, self._template
        path = request.raw_path.partition("?")[0][:_MAX_PATH]
        is_fixed = path == template
        if not is_fixed:
            span.set_attribute("url.path", redact_value(path))
        if template:
            span.update_name(f"{self._span_method} {template}")
        if self._shown_method == _OTHER:
            span.set_attribute("http.request.method_original", shorten(self.http_method))
        if isinstance(status, int) and status >= _SERVER_ERROR:
            self.set_error(str(status))
        elif code in SERVER_ERRORS and status == HTTPStatus.OK:  # the error is the last element of a stream
            self.set_error(code.name)
        host, agent = request.headers.get("Host", ""), request.headers.get("User-Agent", "")
        if len(agent) > _MAX_AGENT:
            span.set_attribute("user_agent.original", shorten(agent))
            agent = ""
        method = "" if self.method is None else self.method.name
        peer = (self.caller.address, self.caller.kind, self.caller.id)
        return _describe(template, is_fixed, request.version, status, method, host[:_MAX_HOST], agent, peer)


@lru_cache(_CACHED)
def _start(http_method: str, scheme: str) -> SharedAttributes:
    """Return the attributes with which a span starts."""
    return SharedAttributes({"http.request.method": http_method, "url.scheme": scheme})


@lru_cache(_CACHED)
def _describe(
    template: str,
    is_fixed: bool,  # noqa: FBT001 - keyword arguments make a cache slower
    version: HttpVersion,
    status: int | str,
    method: str,
    host: str,
    agent: str,
    peer: tuple[str, str, str],
) -> SharedAttributes:
    """Return the attributes of all spans whose requests and responses are the same in these respects.

    Args:
        template: the path template of the route; empty if there is none.
        is_fixed: whether the template is the path of the request.
        version: the version of HTTP.
        status: the status of the response.
        method: the full name of the method; empty if there is none.
        host: the header Host; empty if there is none.
        agent: the header User-Agent; empty if there is none, or it is described elsewhere.
        peer: the address, the kind and the ID of the caller.
    """
    address, kind, caller_id = peer
    return SharedAttributes(
        {
            **describe_caller(Caller(address=address, kind=kind, id=caller_id)),
            "network.protocol.version": f"{version[0]}.{version[1]}",
            "http.response.status_code": status,
            **({"url.path": template} if is_fixed else {}),
            **({"http.route": template} if template else {}),
            **({"rpc.method": method} if method else {}),
            **_server_of(host),
            **({"user_agent.original": shorten(agent)} if agent else {}),
        }
    )


def _server_of(host: str) -> dict[str, str | int]:
    """Return the attributes of the server that a request names in its header Host."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = host, ""
    if not name:
        return {}
    attributes: dict[str, str | int] = {"server.address": shorten(name.strip("[]"))}
    if port:
        attributes["server.port"] = int(port)
    return attributes
