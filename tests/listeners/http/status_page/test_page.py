"""The status page in a browser: readable, escaped, without scripts."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.listeners.http.status_page.page import to_html
from tests.conftest import Running

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
EVIL = "<script>alert(1)</script>\"'&"


def tree(**changes: Any) -> dict[str, Any]:
    one = {"name": "upstream/a", "status": "degraded", "reason": EVIL, "since": "2026-11-29T12:00:00.000Z"}
    two = {"name": "listeners", "status": "ok", "reason": "", "since": "2026-11-29T12:00:00.000Z"}
    return {
        "version": "1",
        "status": "ready",
        "started": "2026-11-29T12:00:00Z",
        "uptime_s": 1.5,
        "snapshot": {"bundle": "sha256:1", "shadow": None, "descriptors": "sha256:2"},
        "conditions": [two, one],
        "ledger": None,
        "limits": {"concurrency": {"calls": 1, "limit": 2}},
        "configuration": [{"key": EVIL, "value": EVIL, "source": EVIL}],
    } | changes


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_all_texts_are_escaped() -> None:
    page = Page(to_html(tree()))
    assert page.texts.count(EVIL) == 4
    assert not {"script", "img", "iframe", "link", "form", "a"} & set(page.tags)
    assert not [
        name for name, _ in page.attributes if name.startswith("on") or name in {"style", "src", "href"}
    ]


def test_conditions_with_a_problem_are_first() -> None:
    page = Page(to_html(tree()))
    assert page.texts.index("upstream/a") < page.texts.index("listeners")
    assert ("class", "degraded") in page.attributes


def test_values_are_readable() -> None:
    page = Page(to_html(tree()))
    assert "calls 1, limit 2" in page.texts
    assert "null" in page.texts  # there is no shadow bundle
    assert "enabled" in page.texts  # the ledger is disabled


async def test_the_page_of_a_gateway(running: Running) -> None:
    async with running.client.get(running.admin("/statusz"), headers={"Accept": BROWSER}) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        policy = response.headers["Content-Security-Policy"]
        body = await response.text()
    (style,) = re.findall(r"<style>(.*?)</style>", body)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert "limits.concurrency" in Page(body).texts


@pytest.mark.parametrize("accept", ["*/*", "application/json", f"application/json, {BROWSER}"])
async def test_json_for_other_clients(running: Running, accept: str) -> None:
    async with running.client.get(running.admin("/statusz"), headers={"Accept": accept}) as response:
        assert response.content_type == "application/json"
        assert response.headers["Vary"] == "Accept"
        assert response.headers["Cache-Control"] == "no-store"
