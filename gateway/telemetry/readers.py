"""Readers of metrics. Each one combines the SDK's metrics with the metrics that the gateway aggregates."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)

from gateway.telemetry.aggregation import add_metrics
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.instruments import SCOPE_NAME

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

    from gateway.telemetry.export_results import ExportResults
    from gateway.telemetry.instruments import OwnInstruments

METRICS = "metrics"
"""The name of the signal in the results of exports."""


class TextReader(InMemoryMetricReader):
    """Collects all metrics when it is asked, and writes them as text."""

    def __init__(self, own: OwnInstruments) -> None:
        super().__init__()
        self._own = own
        self._exposition = Exposition()

    def read(self, media_type: str) -> bytes:
        """Return all metrics as text of a media type of the module exposition."""
        data = self.get_metrics_data()
        if data is None:  # the provider has no instruments
            return b""
        return self._exposition.write(add_metrics(data, SCOPE_NAME, self._own.aggregates), media_type)


class ExportingReader(PeriodicExportingMetricReader):
    """Exports all metrics periodically."""

    def __init__(self, own: OwnInstruments, exporter: MetricExporter, results: ExportResults) -> None:
        self._own = own  # set first, because the constructor starts a thread that reads this attribute
        self._exported_ns = 0
        results.expect(METRICS)
        super().__init__(_NotedExporter(exporter, results))

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> None:
        since_ns, self._exported_ns = self._exported_ns, time_ns()
        data = add_metrics(metrics_data, SCOPE_NAME, self._own.aggregates, exemplars_since_ns=since_ns)
        super()._receive_metrics(data, timeout_millis, **options)


class _NotedExporter(MetricExporter):
    """Passes metrics to an exporter, and notes its results."""

    def __init__(self, exporter: MetricExporter, results: ExportResults) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)  # noqa: SLF001 - the reader of the SDK reads them, too
        self._exporter = exporter
        self._results = results

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> MetricExportResult:
        """Export metrics."""
        is_good = False
        try:
            result = self._exporter.export(metrics_data, timeout_millis, **options)
            is_good = result is MetricExportResult.SUCCESS
        finally:
            self._results.note(METRICS, is_good=is_good)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Export what waits."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **options: Any) -> None:
        """Stop the exporter."""
        self._exporter.shutdown(timeout_millis, **options)
