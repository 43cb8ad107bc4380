"""The readers of metrics: what is exported, and how exports end."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from gateway.telemetry import Metrics
from tests.telemetry.test_metrics import Kept


class Broken(Kept):
    """Accepts nothing."""

    def __init__(self, *, raises: bool) -> None:
        super().__init__()
        self._raises = raises

    def export(self, *_: Any, **__: Any) -> MetricExportResult:
        if self._raises:
            raise OSError("no")
        return MetricExportResult.FAILURE


@pytest.mark.parametrize(
    "exporter", [Kept(), Broken(raises=False), Broken(raises=True)], ids=["ok", "failed", "raises"]
)
def test_results_of_exports_are_noted(exporter: Kept) -> None:
    metrics = Metrics(Resource({}), exporter)
    assert b'gateway_telemetry_exports_total{outcome="failed",signal="metrics"} 0.0' in metrics.expose()
    metrics.shutdown()
    is_bad = isinstance(exporter, Broken)
    assert metrics.results.failing == (["metrics"] if is_bad else [])


def test_an_exemplar_is_exported_once() -> None:
    exporter = Kept()
    metrics = Metrics(Resource({}), exporter)
    span = TracerProvider(shutdown_on_exit=False).get_tracer("x").start_span("x")
    metrics.record_call(0.5, "s/M", "OK", span)
    for _ in range(2):
        metrics._provider.force_flush()  # noqa: SLF001 - the timer's turn
    found = [_exemplars(data) for data in exporter.exported]
    assert found == [[span.get_span_context().trace_id], []]
    metrics.shutdown()


def _exemplars(data: MetricsData) -> list[int | None]:
    return [
        one.trace_id
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
        for one in point.exemplars
    ]
