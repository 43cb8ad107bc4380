"""Sums and histograms that are aggregated where they are recorded."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.telemetry.aggregation import MAX_POINTS, HistogramAggregate, Identity, SumAggregate


def identity(*keys: str) -> Identity:
    return Identity("n", "d", "s", keys)


def points(aggregate: Any) -> list[Any]:
    metric = aggregate.collect(1)
    assert metric is not None
    assert (metric.name, metric.description, metric.unit) == ("n", "d", "s")
    return list(metric.data.data_points)


def test_nothing_recorded_is_no_metric() -> None:
    assert SumAggregate(identity(), is_monotonic=True).collect(1) is None


def test_a_sum_for_each_set_of_labels() -> None:
    counter = SumAggregate(identity("a", "b"), is_monotonic=False)
    for amount, label in ((2, "x"), (-1, "x"), (5, "y")):
        counter.add(amount, label, 1)
    assert [(dict(one.attributes), one.value) for one in points(counter)] == [
        ({"a": "x", "b": 1}, 1),
        ({"a": "y", "b": 1}, 5),
    ]


@pytest.mark.parametrize(("value", "bucket"), [(0.5, 0), (1.0, 0), (1.5, 1), (2.0, 1), (9.0, 2)])
def test_a_bucket_contains_its_upper_bound(value: float, bucket: int) -> None:
    histogram = HistogramAggregate(identity(), (1.0, 2.0))
    histogram.record(value)
    (point,) = points(histogram)
    assert point.bucket_counts.index(1) == bucket
    assert (point.count, point.sum, point.min, point.max) == (1, value, value, value)


def test_the_number_of_points_is_bounded() -> None:
    counter = SumAggregate(identity("a"), is_monotonic=True)
    for number in range(MAX_POINTS + 50):
        counter.add(1, number)
    found = points(counter)
    assert len(found) == MAX_POINTS + 1
    assert (dict(found[-1].attributes), found[-1].value) == ({"otel.metric.overflow": True}, 50)
