"""Checks the collector of traces, metrics and log records: an empty export has to be accepted."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway.cli.doctor.report import quote_peer
from gateway.telemetry import ExporterMessages, find_exporters

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport

# The official exporters of each signal. They read the standard variables.
_EXPORTERS = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}
_PROTOCOLS = {"otlp_proto_grpc": "grpc", "otlp_proto_http": "http"}
_FIX = (
    "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL (grpc is "
    "usually port 4317, http/protobuf is port 4318); if it refuses the export, check "
    "OTEL_EXPORTER_OTLP_HEADERS"
)


async def check_collector(examination: Examination, report: CheckReport) -> None:
    """Export nothing with the exporter of each signal."""
    exporters = find_exporters(examination.environment)
    if not exporters:
        report.skip("collector", "nothing is exported; OTEL_EXPORTER_OTLP_ENDPOINT is not set")
    for signal, name in exporters.items():
        if name not in _PROTOCOLS:
            report.ok(signal, f"exported by {name}")
    await asyncio.gather(
        *(
            asyncio.to_thread(_check, signal, _PROTOCOLS[name], examination.step_s, report)
            for signal, name in exporters.items()
            if name in _PROTOCOLS
        )
    )


def _check(signal: str, protocol: str, timeout_s: float, report: CheckReport) -> None:
    module, name = _EXPORTERS[signal]
    exporter_class: Any = getattr(
        import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}"), name
    )
    with ExporterMessages() as messages:
        try:
            exporter = exporter_class(timeout=timeout_s)
            is_accepted = exporter.export(_nothing(signal)).name == "SUCCESS"
            exporter.shutdown()
        except Exception as error:  # noqa: BLE001 - the exporters raise what their libraries raise
            report.find(signal, f"the exporter cannot be used: {type(error).__name__}", _FIX)
            return
    if is_accepted:
        report.ok(signal, f"the collector accepts an export ({protocol})")
    else:
        reason = messages.reason if messages.texts else f"no response within {timeout_s:g} s"
        report.find(signal, f"the collector does not accept an export: {quote_peer(reason)}", _FIX)


def _nothing(signal: str) -> Any:
    if signal != "metrics":
        return []
    from opentelemetry.sdk.metrics.export import MetricsData

    return MetricsData(resource_metrics=[])
