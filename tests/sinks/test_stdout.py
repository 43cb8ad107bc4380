"""Records on standard output."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.errors import GatewayError
from gateway.sinks.stdout import StdoutSink
from gateway.telemetry import Metrics
from tests.audit.writing import RECORD, lost, open_log, soon


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Resource.create())


async def test_standard_output_gets_lines(metrics: Metrics) -> None:
    reading, writing = os.pipe()
    log = open_log(StdoutSink(writing), metrics)
    await log.write(RECORD, soon())
    await log.close()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read()) == RECORD


async def test_a_broken_standard_output_refuses_calls(metrics: Metrics) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = open_log(StdoutSink(writing), metrics)
    await log.write(RECORD, soon())  # nobody knows yet
    while not lost(metrics):
        await asyncio.sleep(0.01)
    with pytest.raises(GatewayError, match="could not be recorded"):
        await log.write(RECORD, soon())
    await log.close()
    os.close(writing)
