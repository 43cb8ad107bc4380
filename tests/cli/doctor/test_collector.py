"""Collectors that accept an export, refuse it, or do not respond."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.cli.doctor.collector import check_collector
from tests.cli.doctor.examining import NOBODY, examine, find, make_examination, serve_bytes, serve_grpc
from tests.telemetry.test_otlp_http import Collector, collector

__all__ = ["collector"]  # a fixture

SIGNALS = {("traces", "ok"), ("metrics", "ok"), ("logs", "ok")}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the variables for the exporters and for the examination."""

    def set_all(**values: str) -> dict[str, str]:
        named = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in values.items()}
        if "ENDPOINT" in values:
            named["OTEL_LOGS_EXPORTER"] = "otlp"
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        return named

    return set_all


async def test_a_collector_of_http(collector: Collector, variables: Any, tmp_path: Path) -> None:
    environment = variables(ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    results = await examine(check_collector, make_examination(tmp_path, environment=environment))
    assert {(one.subject, one.status) for one in results} == SIGNALS
    received = [collector.received.get(timeout=1) for _ in range(3)]
    assert {(path, body) for path, _, body in received} == {
        (f"/v1/{name}", b"") for name in ("traces", "metrics", "logs")
    }


async def test_a_collector_of_grpc(variables: Any, tmp_path: Path) -> None:
    async def accept(_: Any) -> bytes:
        return b""

    async with serve_grpc(respond=accept) as address:
        environment = variables(ENDPOINT=f"http://{address}", PROTOCOL="grpc")
        results = await examine(check_collector, make_examination(tmp_path, environment=environment))
    assert {(one.subject, one.status) for one in results} == SIGNALS


async def test_a_collector_that_refuses(collector: Collector, variables: Any, tmp_path: Path) -> None:
    collector.statuses += [401] * 3
    environment = variables(
        ENDPOINT=f"http://127.0.0.1:{collector.server_port}", HEADERS="authorization=canary"
    )
    first, second, _ = await find(check_collector, make_examination(tmp_path, environment=environment))
    assert "code: 401, reason: Unauthorized" in first.message
    assert "OTEL_EXPORTER_OTLP_HEADERS" in second.fix
    assert "canary" not in f"{first}{second}"


async def test_a_collector_of_grpc_that_refuses(variables: Any, tmp_path: Path) -> None:
    async def refuse(context: Any) -> bytes:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        return b""

    async with serve_grpc(respond=refuse) as address:
        environment = variables(TRACES_ENDPOINT=f"http://{address}", PROTOCOL="grpc")
        (one,) = await find(check_collector, make_examination(tmp_path, environment=environment))
    assert one.subject == "traces"
    assert "UNAUTHENTICATED, error details: who are you" in one.message


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_that_is_down(variables: Any, tmp_path: Path, protocol: str) -> None:
    environment = variables(METRICS_ENDPOINT=f"http://{NOBODY}", PROTOCOL=protocol)
    (one,) = await find(check_collector, make_examination(tmp_path, step_s=0.5, environment=environment))
    assert one.subject == "metrics"
    assert one.message.startswith("the collector does not accept an export: ")


async def test_a_collector_that_does_not_respond(variables: Any, tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        environment = variables(TRACES_ENDPOINT=f"http://{address}/v1/traces")
        (one,) = await find(check_collector, make_examination(tmp_path, step_s=0.3, environment=environment))
    assert "timed out" in one.message or "no response" in one.message or "timeout" in one.message


async def test_without_a_collector(tmp_path: Path) -> None:
    (one,) = await examine(check_collector, make_examination(tmp_path))
    assert one.status == "skipped"


async def test_another_exporter(tmp_path: Path) -> None:
    environment = {"OTEL_TRACES_EXPORTER": "console"}
    (one,) = await examine(check_collector, make_examination(tmp_path, environment=environment))
    assert (one.subject, one.status) == ("traces", "ok")


async def test_log_records_are_exported_only_on_request(
    collector: Collector, variables: Any, tmp_path: Path
) -> None:
    environment = variables(ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    del environment["OTEL_LOGS_EXPORTER"]
    results = await examine(check_collector, make_examination(tmp_path, environment=environment))
    assert {one.subject for one in results} == {"traces", "metrics"}
