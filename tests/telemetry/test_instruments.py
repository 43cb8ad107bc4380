"""Which instruments record: the gateway's own, or those of the SDK."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from gateway.telemetry.instruments import OwnInstruments, SdkInstruments, need_sdk


@pytest.mark.parametrize(
    ("name", "value", "is_needed"),
    [
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", True),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative", False),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_on", True),
        ("OTEL_SERVICE_NAME", "x", False),
    ],
)
def test_the_sdk_records_what_only_it_can(name: str, value: str, *, is_needed: bool) -> None:
    assert need_sdk({name: value}) is is_needed


def test_both_kinds_record_the_same() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("x")
    own = OwnInstruments()
    for instruments in (own, SdkInstruments(meter)):
        counter = instruments.create_counter("c", "counts", ("a",))
        histogram = instruments.create_histogram("h", "measures", ("a",), [1.0])
        counter(3, "x")
        histogram(0.5, "x")
    data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    by_sdk = {one.name: one.data.data_points[0] for one in metrics}
    assert by_sdk["c"].value == 3  # type: ignore[union-attr]
    assert by_sdk["h"].count == 1  # type: ignore[union-attr]
    assert dict(by_sdk["h"].attributes or {}) == {"a": "x"}
