"""One HTTP request and its response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import rename_fields
from gateway.listeners.exchange import Exchange
from gateway.schema import descriptor_of
from gateway.transcode import to_json_path

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from gateway.listeners.context import ListenerContext
    from gateway.schema import Method
    from gateway.transcode import Route

# The HTTP methods that metrics show by name. All other HTTP methods share one name in metrics, so that
# callers cannot create an unlimited number of time series.
_HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_SERVER_ERROR = 500


class HttpExchange(Exchange):
    """One HTTP request and its response.

    Attributes:
        http_method: the HTTP method of the request.
        has_started: whether the head of a streamed response was sent.
    """

    def __init__(self, request: BaseRequest, context: ListenerContext) -> None:
        self.http_method = request.method
        self._shown_method = self.http_method if self.http_method in _HTTP_METHODS else "_OTHER"
        attributes = {"http.request.method": self._shown_method, "url.scheme": request.scheme}
        super().__init__(context, context.active.snapshot, self._shown_method, request.headers, attributes)
        self.has_started = False
        self._metrics = context.metrics
        self._template = ""
        self.facts = {"http_method": self._shown_method}

    def enter(self, route: Route) -> None:
        """Set the route of the request, and show the route in the span and in log lines."""
        self._template = route.rule.template
        self.facts |= {"route": self._template}
        self.span.update_name(f"{self._shown_method} {self._template}")
        self.span.set_attribute("http.route", self._template)
        self.set_method(route.method)

    def set_method(self, method: Method) -> None:
        """Set the method that is called, and show it in the span and in log lines."""
        self.method = method
        self.facts |= {"method": method.name}
        self.span.set_attribute("rpc.method", method.name)

    def json_path(self, path: str) -> str:
        """Return a field path of the request with JSON names. HTTP responses use JSON names for fields."""
        return path if self.method is None else to_json_path(path, descriptor_of(self.method.request))

    def rename_fields(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Replace the field names in texts with JSON names. HTTP responses use JSON names for fields."""
        return tuple(rename_fields(text, self.json_path) for text in texts)

    def finish(self, status: int) -> None:
        """Report the response in the trace, the metrics and the log."""
        self.span.set_attribute("http.response.status_code", status)
        duration_s = self.end(status, is_failure=status >= _SERVER_ERROR)
        self._metrics.record_request(duration_s, self._shown_method, self._template, status)
