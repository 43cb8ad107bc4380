"""An overload is reported when it begins and when it has ended."""

from __future__ import annotations

import asyncio

import pytest

from gateway.limits.overload_report import OverloadReport
from gateway.telemetry import Health, Status
from tests.waiting import wait_for


async def test_an_overload_is_reported_once(logs: pytest.LogCaptureFixture) -> None:
    health = Health()
    report = OverloadReport(health, 0.05)
    assert health.conditions[0].status is Status.OK
    for _ in range(5):
        report.note("2 calls are active (limits.concurrency)")
    (one,) = health.conditions
    assert (one.name, one.status) == ("load", Status.DEGRADED)
    assert one.reason == "calls are refused: 2 calls are active (limits.concurrency)"
    await wait_for(lambda: health.conditions[0].status is Status.OK)
    assert [(record.message, record.levelname) for record in logs.records] == [
        ("overload: calls are refused", "WARNING"),
        ("overload has ended", "WARNING"),
    ]
    assert logs.records[1].__dict__["refused"] == 5


async def test_an_overload_lasts_while_calls_are_refused() -> None:
    health = Health()
    report = OverloadReport(health, 0.1)
    for _ in range(8):
        report.note("full")
        await asyncio.sleep(0.03)
        assert health.conditions[0].status is Status.DEGRADED
    report.close()
    report.close()
