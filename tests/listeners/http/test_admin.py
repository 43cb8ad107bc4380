"""The admin listener over HTTP."""

from __future__ import annotations

import pytest

from tests.conftest import Running


async def test_pages(running: Running) -> None:
    async with running.client.get(running.admin("/livez")) as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "alive"})
    async with running.client.get(running.admin("/readyz")) as answer:
        assert answer.status == 200
        facts = await answer.json()
        assert facts["status"] == "ready"
        assert facts["bundle"].startswith("sha256:")


async def test_metrics_are_prometheus_text(running: Running) -> None:
    async with running.client.get(running.url("/nothing")) as answer:
        assert answer.status == 404
    async with running.client.get(running.admin("/metrics")) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    assert 'http_response_status_code="404"' in text
    assert "# TYPE http_server_request_duration_seconds histogram" in text


@pytest.mark.parametrize(
    ("http_method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/livez", 405)]
)
async def test_other_requests(running: Running, http_method: str, path: str, status: int) -> None:
    async with running.client.request(http_method, running.admin(path)) as answer:
        assert answer.status == status
        assert "error" in await answer.json()
