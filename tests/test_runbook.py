"""docs/runbook.md: each fault is found from one log line, one condition and one panel, and an alert fires."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.dashboards import ALERTS, DASHBOARDS, fill_in, panel, selectors
from tests.faults import FAULTS, Provoked, Tools, condition_of
from tests.ledger.conftest import own_postgres, postgres
from tests.prometheus_server import Prometheus
from tests.waiting import GENEROUS_S

__all__ = ["own_postgres", "postgres"]  # fixtures

TEXT = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def row(heading: str, name: str) -> str:
    """Return the value of a row of a section's table."""
    (value,) = re.findall(rf"^\| {name} \| (.+?) \|$", SECTIONS[heading], re.MULTILINE)
    return str(value)


def alerts_of(heading: str) -> list[str]:
    return re.findall(r"`(\w+)`", row(heading, "alert"))


@pytest.fixture(scope="session")
def server() -> Iterator[Prometheus | None]:
    """A Prometheus server; None if the program is not installed, so that only `/metrics` is read."""
    if shutil.which("prometheus") is None and not os.environ.get("GATEWAY_TEST_REQUIRES_PROGRAMS"):
        print("prometheus is not installed: queries are not evaluated")  # noqa: T201 - the reason
        yield None
        return
    found = Prometheus()
    yield found
    found.stop()


@pytest.fixture
async def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tools]:
    async with AsyncExitStack() as stack:
        yield Tools(stack, tmp_path, monkeypatch)


@pytest.mark.parametrize("heading", FAULTS)
async def test_a_fault_is_found(
    heading: str, tools: Tools, server: Prometheus | None, logs: pytest.LogCaptureFixture
) -> None:
    found = await FAULTS[heading](tools)
    await until(found, lambda: has_line(logs, row(heading, "log").strip("`")))
    await until(found, lambda: is_degraded(found))
    shown = row(heading, "condition").strip("`")
    assert re.fullmatch(re.sub(r"<\w+>", r"[\\w-]+", shown), found.condition)
    dashboard, title = row(heading, "panel").split(": ", 1)
    queries = [one["expr"] for one in panel(dashboard.lower(), title)["targets"]]
    if server is None:
        text = found.running.metrics.expose().decode()
        assert any(name in text for query in queries for name, *_ in selectors(fill_in(query)))
        return
    instance = str(found.running.addresses.admin)
    server.scrape(instance)
    await until(found, lambda: shows(server, queries, instance, found))
    await until(found, lambda: fires(server, alerts_of(heading), instance))


async def until(found: Provoked, check: object) -> None:
    async with asyncio.timeout(2 * GENEROUS_S):
        while True:
            await found.drive()
            if await check():  # type: ignore[operator]
                return
            await asyncio.sleep(0.1)


async def has_line(logs: pytest.LogCaptureFixture, message: str) -> bool:
    return any(one.message == message and one.levelname in {"WARNING", "ERROR"} for one in logs.records)


async def is_degraded(found: Provoked) -> bool:
    one = await condition_of(found.running, found.condition)
    return one["status"] == "degraded" and bool(one["reason"])


async def shows(server: Prometheus, queries: list[str], instance: str, found: Provoked) -> bool:
    values = [
        value for query in queries for _, value in await server.query(fill_in(query, instance=instance))
    ]
    return any(map(found.is_shown, values))


async def fires(server: Prometheus, names: list[str], instance: str) -> bool:
    firing = await server.query(f'ALERTS{{alertstate="firing",instance="{instance}"}}')
    return any(labels["alertname"] in names for labels, _ in firing)


async def test_a_gateway_that_cannot_be_scraped_is_down(server: Prometheus | None) -> None:
    if server is None:
        pytest.skip("prometheus is not installed")
    server.scrape("127.0.0.1:9")
    async with asyncio.timeout(GENEROUS_S):
        while not await fires(server, ["GatewayDown"], "127.0.0.1:9"):
            await asyncio.sleep(0.1)


def test_ten_faults_are_provoked() -> None:
    assert len(FAULTS) >= 10
    described = {heading for heading, text in SECTIONS.items() if "\n| panel |" in text}
    assert described == set(FAULTS)


def test_each_alert_names_its_section() -> None:
    named = {
        alert: re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading, text in SECTIONS.items()
        if "\n| alert |" in text
        for alert in alerts_of(heading)
    }
    assert {one["alert"]: one["annotations"]["runbook"] for one in ALERTS} == {
        alert: f"docs/runbook.md#{anchor}" for alert, anchor in named.items()
    }


def test_the_named_panels_exist() -> None:
    titles = {(name, one["title"]) for name, dashboard in DASHBOARDS.items() for one in dashboard["panels"]}
    for dashboard, title in re.findall(
        r'"?(Traffic|Decisions|Operations|Ledger|Process): ([^"|\n]+?)(?:"| \|)', TEXT
    ):
        assert (dashboard.lower(), title) in titles
    for title in re.findall(r'panels? "([^":]+)"', TEXT):
        assert title in {one for _, one in titles}
