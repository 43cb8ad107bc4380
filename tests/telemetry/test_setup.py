"""Telemetry by the standard variables."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from gateway.faults import FaultsError
from gateway.telemetry import Telemetry, start_telemetry, trace_id_of
from gateway.telemetry.tracing import to_headers
from tests.collectors import collecting

WAIT_S = 20


def is_tracing(telemetry: Telemetry) -> bool:
    span = telemetry.tracing.start_server("x", {}, {})
    span.end()
    return span.is_recording() or bool(getattr(span, "end_time", None))


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}],
)
def test_off_unless_asked_for(environment: dict[str, str]) -> None:
    telemetry = start_telemetry(environment, "1")
    assert not is_tracing(telemetry)
    telemetry.shutdown()


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "carbon"}, "OTEL_METRICS_EXPORTER"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"},
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
    ],
)
def test_other_values_are_refused_by_name(environment: dict[str, str], variable: str) -> None:
    with pytest.raises(FaultsError, match=variable):
        start_telemetry(environment, "1")


def test_spans_arrive_at_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[trace_service_pb2.ExportTraceServiceRequest] = []

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(  # noqa: N802 - the service's own name
            self, request: trace_service_pb2.ExportTraceServiceRequest, _: grpc.ServicerContext
        ) -> trace_service_pb2.ExportTraceServiceResponse:
            received.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(1))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(Collector(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    environment = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_SERVICE_NAME": "my-gateway",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    telemetry = start_telemetry(environment, "1")
    span = telemetry.tracing.start_server("POST /x", {}, {})
    span.end()
    telemetry.shutdown()
    server.stop(0).wait()
    (exported,) = received[0].resource_spans
    assert exported.scope_spans[0].spans[0].name == "POST /x"
    resource = {one.key: one.value.string_value for one in exported.resource.attributes}
    assert resource["service.name"] == "my-gateway"


@pytest.mark.parametrize(
    ("variables", "is_sent"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{base}"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{base}", "OTEL_LOGS_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "{base}/v1/logs"}, True),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "{base}/v1/logs", "OTEL_LOGS_EXPORTER": "none"}, False),
    ],
)
def test_log_records_are_sent_only_if_variables_of_logs_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, *, variables: dict[str, str], is_sent: bool
) -> None:
    with collecting("http/protobuf") as (received, found):
        base = found["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"].removesuffix("/v1/logs")
        environment = {name: value.format(base=base) for name, value in variables.items()}
        environment |= {"OTEL_METRICS_EXPORTER": "none"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        telemetry = start_telemetry(environment, "1")
        logging.getLogger("gateway.x").warning("sent", extra={"status": 1})
        telemetry.shutdown()
        logging.getLogger("gateway.x").warning("late")
    assert [one.body.string_value for one in received.log_records] == (["sent"] if is_sent else [])


def test_without_tracing_calls_still_have_trace_ids() -> None:
    tracing = start_telemetry({}, "1").tracing
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    followed = tracing.start_server("x", {"traceparent": parent}, {})
    assert to_headers(followed)["traceparent"] == parent
    fresh, other = (tracing.start_server("x", {"traceparent": "nonsense"}, {}) for _ in range(2))
    assert trace_id_of(fresh) != trace_id_of(other)
    assert int(trace_id_of(fresh), 16)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a collector that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
    for thread in threading.enumerate():  # exporters that try again draw numbers that other tests depend on
        if thread.name in {"telemetry shutdown", "span processor", "OtelPeriodicExportingMetricReader"}:
            thread.join(WAIT_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_does_not_respond_holds_up_no_stop(
    silent: int, protocol: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("gateway.telemetry.setup.SHUTDOWN_S", 0.3)
    telemetry = start_telemetry(environment, "1")
    telemetry.tracing.start_server("POST /x", {}, {}).end()
    started = time.monotonic()
    telemetry.shutdown()
    assert time.monotonic() - started < WAIT_S
    assert "telemetry not sent" in caplog.messages


@pytest.mark.parametrize(
    ("environment", "timeout_s"),
    [
        ({}, 10),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "2500"}, 2.5),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "2500", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}, 1),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "30000"}, 10),
        ({"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "3", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}, 3),
    ],
    ids=["neither", "of a batch", "both", "a long one of a batch", "of traces"],
)
def test_an_export_ends_with_the_lower_timeout(
    silent: int, environment: dict[str, str], timeout_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []

    def send(client: Any, _: bytes) -> SimpleNamespace:
        sent.append(client._timeout)  # noqa: SLF001 - nothing else tells it
        return SimpleNamespace(success=False)

    monkeypatch.setattr("opentelemetry.exporter.otlp.common.http._OTLPHTTPClient.export", send)
    environment = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{silent}", **environment}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    telemetry = start_telemetry(environment, "1")
    telemetry.tracing.start_server("POST /x", {}, {}).end()
    telemetry.shutdown()
    assert sent == [timeout_s]


def test_spans_on_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()  # the exporter would write to what standard output was when it was imported
    monkeypatch.setattr("gateway.telemetry.setup._load", lambda *_: ConsoleSpanExporter(out=out))
    telemetry = start_telemetry({"OTEL_TRACES_EXPORTER": "console"}, "1")
    telemetry.tracing.start_server("POST /x", {}, {"http.route": "/x"}).end()
    telemetry.shutdown()
    shown = json.loads(out.getvalue())
    assert (shown["name"], shown["attributes"]) == ("POST /x", {"http.route": "/x"})


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_metrics_on_the_console(temporality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("gateway.telemetry.setup._load", lambda *_: ConsoleMetricExporter(out=out))
    environment = {
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality,
    }
    telemetry = start_telemetry(environment, "1")
    telemetry.metrics.record_call(0.003, "s/M", "OK")
    telemetry.shutdown()
    (resource_metrics,) = json.loads(out.getvalue())["resource_metrics"]
    (scope,) = resource_metrics["scope_metrics"]
    assert {"rpc.server.call.duration", "gateway.log.dropped"} <= {one["name"] for one in scope["metrics"]}
