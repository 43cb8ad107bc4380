"""Collectors that do not work cost calls nothing, and the memory of the gateway stays bounded."""

from __future__ import annotations

import http.client
import json
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.collectors import PROTOCOLS, absent, environment_of, refusing, resetting, silent
from tests.conftest import GOOD_IMAGE, IMAGES
from tests.processes import command_with, serving

CALLS = 60
QUEUE = 16


def create_all(rest: str) -> None:
    connection = http.client.HTTPConnection(rest, timeout=30)
    for number in range(CALLS):
        body = json.dumps(GOOD_IMAGE | {"name": f"ubuntu-24-{number}"}).encode()
        connection.request("POST", IMAGES, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200
    connection.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("broken", [silent, absent, resetting, refusing])
def test_a_broken_collector_delays_no_call_and_no_stop(
    broken: Callable[[], AbstractContextManager[int]], protocol: str
) -> None:
    with broken() as port:
        environment = environment_of(port, protocol) | {
            "OTEL_EXPORTER_OTLP_TIMEOUT": "300",
            "OTEL_BSP_MAX_QUEUE_SIZE": str(QUEUE),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": str(QUEUE // 2),
            "OTEL_BLRP_MAX_QUEUE_SIZE": str(QUEUE),
            "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": str(QUEUE // 2),
            "GATEWAY__DECISION_LOG__TYPE": "none",
        }
        command = command_with({"gateway.telemetry.setup.SHUTDOWN_S": 0.3})
        with serving("demo", "--delay", "0", command=command, **environment) as (process, rest, _):
            create_all(rest)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
            assert process.returncode == 0
            assert time.monotonic() - started < 15
    lines = [json.loads(line) for line in err.splitlines()]
    durations = sorted(line["duration_ms"] for line in lines if line["message"] == "responded")
    assert len(durations) == CALLS
    assert durations[CALLS // 2] < 1000  # an export would wait for minutes
    if broken is refusing and protocol != "grpc":  # all others wait and try again
        assert sum(line["count"] for line in lines if line["message"] == "spans dropped") > 0
