"""The admin listener: liveness, readiness, status, metrics, the OpenAPI document and the API page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.errors import GatewayError
from gateway.listeners.http.api_page.page import PATH
from gateway.listeners.http.responses import json_response, set_common_headers, tree_response
from gateway.listeners.http.server import certificate_of
from gateway.listeners.http.status_page.page import show_status
from gateway.listeners.http.status_page.readiness import show_readiness
from gateway.listeners.metadata import new_identifiers
from gateway.telemetry.exposition import choose_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest

    from gateway.listeners.http.api_page import ApiPage
    from gateway.listeners.http.status_page.facts import StatusFacts
    from gateway.telemetry import Metrics
    from gateway.tls import ClientCertificates


class AdminListener:
    """Responds to the HTTP requests of operators and monitoring tools."""

    def __init__(
        self,
        facts: StatusFacts,
        metrics: Metrics,
        api_page: ApiPage,
        clients: ClientCertificates | None = None,
    ) -> None:
        """Initialize the listener.

        Args:
            facts: what /statusz shows. /readyz shows its health, /openapi.json the OpenAPI document of its
                active snapshot.
            metrics: the metrics that /metrics shows.
            clients: checks the certificates of clients; None if clients present no certificate.
            api_page: the page that shows the OpenAPI document to people.
        """
        self._metrics = metrics
        self._clients = clients
        self._api_page = api_page
        self._pages: dict[str, Callable[[BaseRequest], web.Response]] = {
            "/livez": lambda _request: tree_response({"status": "alive"}),
            "/readyz": lambda request: show_readiness(request, facts.health),
            "/statusz": lambda request: show_status(request, facts),
            "/metrics": self._expose,
            "/openapi.json": lambda _request: json_response(facts.active.snapshot.openapi),
        }

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Respond to a request."""
        response: web.StreamResponse | None = self._refuse(request)
        if response is None:
            response = await self._api_page.respond(request) or self._respond(request)
        set_common_headers(response, new_identifiers())
        return response

    def _refuse(self, request: BaseRequest) -> web.Response | None:
        """Return the response to a request whose client certificate has become invalid, otherwise None."""
        certificate = certificate_of(request)
        if self._clients is not None and certificate is not None:
            try:
                self._clients.check(certificate)
            except GatewayError as error:
                response = tree_response({"error": error.message, "reason": error.reason}, 401)
                response.headers.update(error.headers)
                return response
        return None

    def _respond(self, request: BaseRequest) -> web.Response:
        page = self._pages.get(request.raw_path.partition("?")[0])
        if page is None:
            return tree_response({"error": "no such page", "pages": [*self._pages, PATH]}, 404)
        if request.method not in {"GET", "HEAD"}:
            response = tree_response({"error": "pages are read with GET"}, 405)
            response.headers["Allow"] = "GET, HEAD"
            return response
        return page(request)

    def _expose(self, request: BaseRequest) -> web.Response:
        media_type = choose_format(request.headers.get("Accept", ""))
        response = web.Response(body=self._metrics.expose(media_type))
        response.headers["Content-Type"] = media_type
        response.headers["Vary"] = "Accept"
        return response
