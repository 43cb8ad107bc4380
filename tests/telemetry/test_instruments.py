"""Which instruments record: the gateway's own, or those of the SDK."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from gateway.telemetry.definition import Definition, Kind
from gateway.telemetry.instruments import OwnInstruments, SdkInstruments, need_sdk

LABELS = {"a": "a label"}
COUNTER = Definition(name="c", kind=Kind.COUNTER, meaning="counts", labels=LABELS, starts=(("y",),))
HISTOGRAM = Definition(name="h", kind=Kind.HISTOGRAM, meaning="measures", labels=LABELS, bounds=(1.0,))


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
        counter, histogram = instruments.create(COUNTER), instruments.create(HISTOGRAM)
        counter(3, "x")
        histogram(0.5, "x")
    data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    by_sdk = {one.name: one.data.data_points for one in metrics}
    by_own = {
        metric.name: metric.data.data_points
        for one in own.aggregates
        if (metric := one.collect(1)) is not None
    }
    for points in (by_sdk, by_own):
        values = {str(dict(one.attributes or {})): one.value for one in points["c"]}  # type: ignore[union-attr]
        assert values == {"{'a': 'x'}": 3, "{'a': 'y'}": 0}
        (point,) = points["h"]
        assert point.count == 1  # type: ignore[union-attr]
        assert dict(point.attributes or {}) == {"a": "x"}


@pytest.mark.parametrize("is_own", [True, False], ids=["own", "sdk"])
def test_a_sampled_call_is_an_exemplar(*, is_own: bool) -> None:
    reader, own = InMemoryMetricReader(), OwnInstruments()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("x")
    record = (own if is_own else SdkInstruments(meter)).create_traced(HISTOGRAM)
    span = TracerProvider(shutdown_on_exit=False).get_tracer("x").start_span("x")
    record(0.5, span, "x")
    record(0.4, None, "x")
    if is_own:
        metric = own.aggregates[0].collect(1)
    else:
        data = reader.get_metrics_data()
        assert data is not None
        (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric is not None
    (exemplar,) = metric.data.data_points[0].exemplars
    assert (exemplar.value, exemplar.trace_id) == (0.5, span.get_span_context().trace_id)


def test_nothing_is_recorded_in_what_is_observed() -> None:
    meter = MeterProvider(shutdown_on_exit=False).get_meter("x")
    observed = Definition(name="o", kind=Kind.OBSERVED_GAUGE, meaning="observed")
    with pytest.raises(ValueError, match="o is observed"):
        SdkInstruments(meter).create(observed)
