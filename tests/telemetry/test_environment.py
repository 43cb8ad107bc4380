"""OTEL_* variables with values that have no meaning are faults that name them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.faults import FaultsError
from gateway.telemetry import start_telemetry
from gateway.telemetry.environment import find_faults

BAD = [
    "OTEL_BSP_MAX_QUEUE_SIZE=-5",
    "OTEL_BLRP_MAX_QUEUE_SIZE=-5",
    "OTEL_BLRP_MAX_QUEUE_SIZE=100",
    "OTEL_BLRP_SCHEDULE_DELAY=soon",
    "OTEL_LOGS_EXPORTER=console",
    "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=-1",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=collector",
    "OTEL_BSP_MAX_QUEUE_SIZE=abc",
    "OTEL_BSP_MAX_QUEUE_SIZE=0",
    "OTEL_BSP_MAX_QUEUE_SIZE=100",
    "OTEL_BSP_MAX_QUEUE_SIZE=",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=100000",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=-1",
    "OTEL_BSP_SCHEDULE_DELAY=-1",
    "OTEL_BSP_SCHEDULE_DELAY=soon",
    "OTEL_BSP_EXPORT_TIMEOUT=1.5",
    "OTEL_TRACES_SAMPLER=dice",
    "OTEL_ATTRIBUTE_COUNT_LIMIT=abc",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=-1",
    "OTEL_SPAN_EVENT_COUNT_LIMIT=x",
    "OTEL_EXPORTER_OTLP_TIMEOUT=abc",
    "OTEL_EXPORTER_OTLP_TIMEOUT=-1",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=nan",
    "OTEL_EXPORTER_OTLP_HEADERS=sesame sesame",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS=sesame",
    "OTEL_EXPORTER_OTLP_COMPRESSION=zip",
    "OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY=/nowhere",
    "OTEL_EXPORTER_OTLP_ENDPOINT=ftp://x",
    "OTEL_EXPORTER_OTLP_ENDPOINT=not a url",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://x:port",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector:4318",
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
    "OTEL_EXPORTER_OTLP_INSECURE=maybe",
    "OTEL_RESOURCE_ATTRIBUTES=bad",
    "OTEL_RESOURCE_ATTRIBUTES=a=b,c",
    "OTEL_METRIC_EXPORT_INTERVAL=abc",
    "OTEL_METRIC_EXPORT_TIMEOUT=-1",
    "OTEL_METRICS_EXEMPLAR_FILTER=bad",
    "OTEL_METRICS_EXPORTER=carbon",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=bad",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=bad",
    "OTEL_SDK_DISABLED=maybe",
    "OTEL_PYTHON_CONTEXT=bad",
]


@pytest.mark.parametrize("setting", BAD)
def test_a_value_without_meaning_is_a_fault(setting: str) -> None:
    variable, _, value = setting.partition("=")
    with pytest.raises(FaultsError) as caught:
        start_telemetry({"OTEL_TRACES_EXPORTER": "otlp", variable: value}, "1")
    (fault,) = caught.value.faults
    assert str(fault).startswith(f"{variable}: ")
    assert "sesame" not in str(fault)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": ""},
        {"OTEL_BSP_MAX_QUEUE_SIZE": " 10 ", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"},
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "ignored"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://[::1]:4318/x", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, c=d=,"},
        {"OTEL_PYTHON_CONTEXT": "contextvars_context"},
        {"OTEL_PYTHON_CONTEXT": ""},
        {"OTEL_RESOURCE_ATTRIBUTES": "a=b,c=d%20e", "OTEL_ATTRIBUTE_COUNT_LIMIT": ""},
    ],
)
def test_values_with_meaning_are_none(settings: dict[str, str]) -> None:
    assert find_faults(settings) == []


@pytest.mark.parametrize("ratio", ["7", "-1", "often"])
def test_a_ratio_is_from_0_to_1(ratio: str) -> None:
    (fault,) = find_faults({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio})
    assert str(fault).startswith("OTEL_TRACES_SAMPLER_ARG: ")


def test_all_faults_are_found_at_once() -> None:
    faults = find_faults(dict(setting.split("=", 1) for setting in BAD if setting.endswith("bad")))
    assert len(faults) == 5


def test_whatever_else_the_sdk_refuses_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")  # which only http/protobuf takes
    with pytest.raises(FaultsError, match=r"OTEL_\*: telemetry cannot be set up: .*COMPRESSION"):
        start_telemetry(environment | {"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}, "1")


@pytest.mark.parametrize("setting", ["OTEL_BSP_MAX_QUEUE_SIZE=-5", "OTEL_PROPAGATORS=bad"])
def test_no_process_ends_with_a_traceback(setting: str, tmp_path: Path) -> None:
    variable, _, value = setting.partition("=")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "otlp", variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert variable in done.stderr or "there is no bundle" in done.stderr
