"""The admin listener: liveness, readiness, metrics, the OpenAPI document and the API page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.listeners.http.api_page.page import PATH
from gateway.listeners.http.responses import json_response, set_common_headers, tree_response
from gateway.listeners.http.server import certificate_of
from gateway.listeners.metadata import new_identifiers
from gateway.telemetry import Status
from gateway.telemetry.exposition import choose_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest

    from gateway.listeners.http.api_page import ApiPage
    from gateway.serving.snapshot import ActiveSnapshot
    from gateway.telemetry import Health, Metrics
    from gateway.tls import ClientCertificates


class AdminListener:
    """Responds to the HTTP requests of operators and monitoring tools."""

    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        active: ActiveSnapshot,
        api_page: ApiPage,
        clients: ClientCertificates | None = None,
    ) -> None:
        """Initialize the listener.

        Args:
            health: the health that /readyz shows. /readyz shows the conditions that have a problem. With
                `?verbose`, it shows all conditions.
            metrics: the metrics that /metrics shows.
            active: the holder of the active snapshot. /openapi.json shows the OpenAPI document of the active
                snapshot.
            clients: checks the certificates of clients; None if clients present no certificate.
            api_page: the page that shows the OpenAPI document to people.
        """
        self._health = health
        self._metrics = metrics
        self._active = active
        self._clients = clients
        self._api_page = api_page
        self._pages: dict[str, Callable[[str, str], web.Response]] = {
            "/livez": lambda _query, _accept: tree_response({"status": "alive"}),
            "/readyz": self._show_readiness,
            "/metrics": self._expose,
            "/openapi.json": lambda _query, _accept: json_response(self._active.snapshot.openapi),
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
        path, _, query = request.raw_path.partition("?")
        page = self._pages.get(path)
        if page is None:
            return tree_response({"error": "no such page", "pages": [*self._pages, PATH]}, 404)
        if request.method not in {"GET", "HEAD"}:
            response = tree_response({"error": "pages are read with GET"}, 405)
            response.headers["Allow"] = "GET, HEAD"
            return response
        return page(query, request.headers.get("Accept", ""))

    def _show_readiness(self, query: str, _accept: str) -> web.Response:
        is_ready = self._health.is_ready
        shown: dict[str, Any] = {"status": "ready" if is_ready else "not ready", **self._health.facts}
        is_verbose = query.partition("=")[0] == "verbose"
        conditions = [one for one in self._health.conditions if is_verbose or one.status is not Status.OK]
        if conditions or is_verbose:
            shown["conditions"] = [one.to_json() for one in conditions]
        return tree_response(shown, 200 if is_ready else 503)

    def _expose(self, _query: str, accept: str) -> web.Response:
        media_type = choose_format(accept)
        response = web.Response(body=self._metrics.expose(media_type))
        response.headers["Content-Type"] = media_type
        response.headers["Vary"] = "Accept"
        return response
