"""The admin listener: is it alive, may it be sent calls, what does it count, what does it serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.listeners.http.responses import json_answer, tree_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest

    from gateway.telemetry import Health, Metrics

_PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


class AdminListener:
    """Answers operators and their tools."""

    def __init__(self, health: Health, metrics: Metrics, openapi: Callable[[], bytes]) -> None:
        """Prepare.

        Args:
            health: told of at /readyz.
            metrics: exposed at /metrics.
            openapi: gives the document in force.
        """
        self._health = health
        self._metrics = metrics
        self._pages: dict[str, Callable[[], web.Response]] = {
            "/livez": lambda: tree_answer({"status": "alive"}),
            "/readyz": self._ready,
            "/metrics": self._expose,
            "/openapi.json": lambda: json_answer(openapi()),
        }

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        page = self._pages.get(request.raw_path.partition("?")[0])
        if page is None:
            return tree_answer({"error": "no such page", "pages": list(self._pages)}, 404)
        if request.method not in {"GET", "HEAD"}:
            answer = tree_answer({"error": "pages are read with GET"}, 405)
            answer.headers["Allow"] = "GET, HEAD"
            return answer
        return page()

    def _ready(self) -> web.Response:
        status = "ready" if self._health.is_ready else "not ready"
        return tree_answer({"status": status, **self._health.facts}, 200 if self._health.is_ready else 503)

    def _expose(self) -> web.Response:
        answer = web.Response(body=self._metrics.expose())
        answer.headers["Content-Type"] = _PROMETHEUS
        return answer
