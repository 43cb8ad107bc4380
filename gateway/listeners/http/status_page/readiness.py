"""The readiness of the gateway, with its conditions: as JSON, or as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.listeners.http.responses import JSON, tree_response
from gateway.listeners.http.status_page.accepted import accepts
from gateway.telemetry import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.web_request import BaseRequest

    from gateway.telemetry import Health

_TEXT = "text/plain"


def show_readiness(request: BaseRequest, health: Health) -> web.Response:
    """Return the response of /readyz: 200 if the gateway is ready, otherwise 503.

    The response is JSON, with the conditions that have a problem. With `?verbose`, it has all conditions, and
    is a text unless the request accepts JSON.
    """
    is_ready = health.is_ready
    is_verbose = request.raw_path.partition("?")[2].partition("=")[0] == "verbose"
    conditions = [one for one in health.conditions if is_verbose or one.status is not Status.OK]
    shown: dict[str, Any] = {"status": "ready" if is_ready else "not ready", **health.facts}
    if conditions or is_verbose:
        shown["conditions"] = [one.to_json() for one in conditions]
    status = 200 if is_ready else 503
    if not accepts(request, JSON) and (is_verbose or accepts(request, _TEXT)):
        response = web.Response(text="\n".join([*_to_lines(shown), ""]), status=status, content_type=_TEXT)
    else:
        response = tree_response(shown, status)
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = "no-store"
    return response


def _to_lines(shown: dict[str, Any]) -> Iterator[str]:
    yield shown["status"]
    for name, value in shown.items():
        if name not in {"status", "conditions"}:
            yield f"{name}: {'; '.join(value) if isinstance(value, list) else value}"
    for one in shown.get("conditions", ()):
        reason = f": {one['reason']}" if one["reason"] else ""
        yield f"[{one['status']}] {one['name']} since {one['since']}{reason}"
