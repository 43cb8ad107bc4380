"""The condition of the collector."""

from __future__ import annotations

import asyncio

import pytest

from gateway.telemetry import Health, Status
from gateway.telemetry.export_condition import ExportCondition
from gateway.telemetry.export_results import ExportResults
from tests.waiting import wait_for


def test_failed_exports_degrade_the_gateway_until_one_succeeds(logs: pytest.LogCaptureFixture) -> None:
    results, health = ExportResults(), Health()
    condition = ExportCondition(results, health)
    assert health.conditions[0].status is Status.OK
    for _ in range(3):
        results.note("traces", is_good=False)
        condition.look()
    (one,) = health.conditions
    assert (one.name, one.status) == ("telemetry", Status.DEGRADED)
    assert one.reason == "the collector does not accept traces; they are lost"
    results.note("traces", is_good=True)
    condition.look()
    assert health.conditions[0].status is Status.OK
    assert [record.message for record in logs.records] == [
        "the collector does not accept telemetry",
        "the collector accepts telemetry again",
    ]


async def test_results_are_looked_at_regularly() -> None:
    results, health = ExportResults(), Health()
    looking = asyncio.create_task(ExportCondition(results, health, 0.001).run())
    await asyncio.sleep(0.01)
    results.note("metrics", is_good=False)
    await wait_for(lambda: health.conditions[0].status is Status.DEGRADED)
    looking.cancel()
