"""The readiness as JSON and as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.listeners.http.status_page.readiness import show_readiness
from gateway.telemetry import Health, Status

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def health() -> Health:
    health = Health(facts={"version": "1", "removed": ["a", "b"]}, now=lambda: NOON)
    health.set("listeners", Status.OK)
    health.set("upstream/a", Status.DEGRADED, "cannot connect")
    return health


def get(health: Health, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    response = show_readiness(make_mocked_request("GET", path, headers={"Accept": accept}), health)
    assert response.headers["Vary"] == "Accept"
    assert response.headers["Cache-Control"] == "no-store"
    assert isinstance(response.text, str)
    return response.status, response.content_type, response.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/json"])
def test_json_without_verbose_has_the_problems(health: Health, accept: str) -> None:
    status, kind, body = get(health, "/readyz", accept)
    assert (status, kind) == (200, "application/json")
    shown = json.loads(body)
    assert shown["status"] == "ready"
    assert [one["name"] for one in shown["conditions"]] == ["upstream/a"]


def test_verbose_json_has_every_condition(health: Health) -> None:
    _, kind, body = get(health, "/readyz?verbose", "application/json")
    assert kind == "application/json"
    assert json.loads(body)["conditions"] == [
        {"name": "listeners", "status": "ok", "reason": "", "since": "2026-11-29T12:00:00.000Z"},
        {
            "name": "upstream/a",
            "status": "degraded",
            "reason": "cannot connect",
            "since": "2026-11-29T12:00:00.000Z",
        },
    ]


@pytest.mark.parametrize("accept", ["*/*", "", "text/plain", "text/html"])
@pytest.mark.parametrize("query", ["verbose", "verbose=1"])
def test_verbose_text(health: Health, accept: str, query: str) -> None:
    status, kind, text = get(health, f"/readyz?{query}", accept)
    assert (status, kind) == (200, "text/plain")
    assert text.splitlines() == [
        "ready",
        "version: 1",
        "removed: a; b",
        "[ok] listeners since 2026-11-29T12:00:00.000Z",
        "[degraded] upstream/a since 2026-11-29T12:00:00.000Z: cannot connect",
    ]


def test_text_without_verbose_has_the_problems(health: Health) -> None:
    _, kind, body = get(health, "/readyz", "text/plain")
    assert (kind, "listeners" in body, "upstream/a" in body) == ("text/plain", False, True)


def test_a_gateway_that_is_not_ready(health: Health) -> None:
    health.set("listeners", Status.FAILED, "stopping")
    for accept in ("application/json", "text/plain"):
        status, _, body = get(health, "/readyz?verbose", accept)
        assert (status, "not ready" in body, "stopping" in body) == (503, True, True)


def test_a_gateway_without_problems() -> None:
    health = Health()
    health.set("listeners", Status.OK)
    assert json.loads(get(health, "/readyz")[2]) == {"status": "ready"}
