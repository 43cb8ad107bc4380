"""A real Prometheus reads /metrics, with exemplars that lead to traces."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from tests.conftest import IMAGES, Running, Start
from tests.prometheus_server import Prometheus, prometheus
from tests.waiting import GENEROUS_S

__all__ = ["prometheus"]  # a fixture


async def trace_of_call(running: Running) -> str:
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        assert response.status == 200
        return str(response.headers["x-server-trace-id"])


async def exemplars(server: Prometheus, metric: str, instance: str) -> list[dict[str, Any]]:
    now = time.time()
    query = f'{metric}{{instance="{instance}"}}'
    found = await server.get("query_exemplars", query=query, start=str(now - 60), end=str(now + 60))
    return [exemplar for series in found for exemplar in series["exemplars"]]


async def test_exemplars_lead_to_the_traces_of_calls(start: Start, prometheus: Prometheus) -> None:
    running = await start(is_traced=True)
    instance = str(running.addresses.admin)
    prometheus.scrape(instance)
    traces = {await trace_of_call(running) for _ in range(3)}
    found: list[dict[str, Any]] = []
    for name in ("http_server_request_duration_seconds_bucket", "rpc_client_call_duration_seconds_bucket"):
        async with asyncio.timeout(GENEROUS_S):
            while not (found := await exemplars(prometheus, name, instance)):
                await asyncio.sleep(0.1)
        assert {one["labels"]["trace_id"] for one in found} <= traces
        assert all(0 < float(one["value"]) < 30 for one in found)
    spans = {
        format(span.context.span_id, "016x") for span in running.exporter.get_finished_spans() if span.context
    }
    assert {one["labels"]["span_id"] for one in found} <= spans


async def test_what_prometheus_reads_is_what_happened(start: Start, prometheus: Prometheus) -> None:
    running = await start()
    instance = str(running.addresses.admin)
    for _ in range(3):
        await trace_of_call(running)
    prometheus.scrape(instance)
    query = f'sum(rpc_client_call_duration_seconds_count{{instance="{instance}",upstream="baremetal"}})'
    async with asyncio.timeout(GENEROUS_S):
        while [value for _, value in await prometheus.query(query)] != [3.0]:
            await asyncio.sleep(0.1)
    states = await prometheus.query(f'gateway_condition{{instance="{instance}",name="listeners"}}')
    assert {labels["status"]: value for labels, value in states} == {"ok": 1, "degraded": 0, "failed": 0}
    (target,) = [
        one
        for one in (await prometheus.get("targets"))["activeTargets"]
        if one["labels"]["instance"] == instance
    ]
    assert (target["health"], target["lastError"]) == ("up", "")


async def test_without_sampling_there_are_no_exemplars(start: Start) -> None:
    running = await start()
    await trace_of_call(running)
    accept = {"Accept": "application/openmetrics-text"}
    async with (
        aiohttp.ClientSession() as client,
        client.get(running.admin("/metrics"), headers=accept) as response,
    ):
        text = await response.text()
    assert "trace_id" not in text
    assert text.endswith("# EOF\n")
