"""Sums and histograms that are aggregated where they are recorded."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN

from gateway.telemetry.aggregation import MAX_POINTS, HistogramAggregate, SumAggregate
from gateway.telemetry.definition import Definition, Kind


def define(*keys: str, kind: Kind = Kind.COUNTER, bounds: tuple[float, ...] = ()) -> Definition:
    labels = dict.fromkeys(keys, "a label")
    return Definition(name="n", kind=kind, meaning="d", unit="s", labels=labels, bounds=bounds)


def points(aggregate: Any) -> list[Any]:
    metric = aggregate.collect(1)
    assert metric is not None
    assert (metric.name, metric.description, metric.unit) == ("n", "d", "s")
    return list(metric.data.data_points)


def test_nothing_recorded_is_no_metric() -> None:
    assert SumAggregate(define()).collect(1) is None


def test_a_sum_for_each_set_of_labels() -> None:
    counter = SumAggregate(define("a", "b", kind=Kind.UP_DOWN))
    for amount, label in ((2, "x"), (-1, "x"), (5, "y")):
        counter.add(amount, label, 1)
    assert [(dict(one.attributes), one.value) for one in points(counter)] == [
        ({"a": "x", "b": 1}, 1),
        ({"a": "y", "b": 1}, 5),
    ]


@pytest.mark.parametrize(("value", "bucket"), [(0.5, 0), (1.0, 0), (1.5, 1), (2.0, 1), (9.0, 2)])
def test_a_bucket_contains_its_upper_bound(value: float, bucket: int) -> None:
    histogram = HistogramAggregate(define(bounds=(1.0, 2.0)))
    histogram.record(value)
    (point,) = points(histogram)
    assert point.bucket_counts.index(1) == bucket
    assert (point.count, point.sum, point.min, point.max) == (1, value, value, value)


def test_the_number_of_points_is_bounded() -> None:
    counter = SumAggregate(define("a"))
    for number in range(MAX_POINTS + 50):
        counter.add(1, number)
    found = points(counter)
    assert len(found) == MAX_POINTS + 1
    assert (dict(found[-1].attributes), found[-1].value) == ({"otel.metric.overflow": True}, 50)


def test_the_last_sampled_call_of_a_bucket_is_its_exemplar() -> None:
    histogram = HistogramAggregate(define(bounds=(1.0, 2.0)))
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("x")
    spans = [tracer.start_span("x") for _ in range(3)]
    for value, span in zip((0.5, 0.7, 1.5), spans, strict=True):
        histogram.record_traced(value, span)
    histogram.record_traced(0.9, INVALID_SPAN)
    histogram.record_traced(9.0, None)
    (point,) = points(histogram)
    assert point.count == 5
    assert {one.value: one.trace_id for one in point.exemplars} == {
        0.7: spans[1].get_span_context().trace_id,
        1.5: spans[2].get_span_context().trace_id,
    }
    latest = max(one.time_unix_nano for one in point.exemplars)
    metric = histogram.collect(1, exemplars_since_ns=latest)
    assert metric is not None
    assert latest in {one.time_unix_nano for one in metric.data.data_points[0].exemplars}
    metric = histogram.collect(1, exemplars_since_ns=latest + 1)
    assert metric is not None
    assert not metric.data.data_points[0].exemplars


def test_exemplars_can_be_left_out() -> None:
    histogram = HistogramAggregate(define(bounds=(1.0,)))
    histogram.record_untraced(0.5, TracerProvider(shutdown_on_exit=False).get_tracer("x").start_span("x"))
    (point,) = points(histogram)
    assert (point.count, point.exemplars) == (1, [])
