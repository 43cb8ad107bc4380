"""Sums and histograms that the gateway aggregates itself. The results are the same as the SDK's results.

An aggregate has one point for each combination of label values. To record a value, the aggregate finds the
point of the label values and changes the point. The aggregate uses no lock and no copies, so only one thread
may record values. Another thread may collect the points at the same time. In this case, the collected count
of a point can include a value that the collected sum does not include yet. The next collection includes the
value in both the count and the sum.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass, replace
from time import time_ns
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opentelemetry.sdk.metrics import export

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricsData

MAX_POINTS = 2000
"""The maximum number of points of an instrument.

After the maximum is reached, one additional point is used for all new combinations of label values.
The SDK does the same.
"""

_OVERFLOW = ("otel.metric.overflow",)
_CUMULATIVE = export.AggregationTemporality.CUMULATIVE


@dataclass(frozen=True, slots=True)
class Identity:
    """The name and description of an instrument.

    Attributes:
        name: the name of the instrument, which follows OpenTelemetry's conventions.
        description: the human-readable description of the instrument.
        unit: the unit of the values; empty for counts.
        keys: the keys of the labels of each recorded value.
    """

    name: str
    description: str
    unit: str
    keys: tuple[str, ...]


class _SumPoint:
    __slots__ = ("started_ns", "value")

    def __init__(self) -> None:
        self.started_ns = time_ns()
        self.value = 0


class _HistogramPoint:
    __slots__ = ("counts", "max", "min", "started_ns", "sum")

    def __init__(self, buckets: int) -> None:
        self.started_ns = time_ns()
        self.counts = [0] * buckets
        self.sum = 0.0
        self.min, self.max = math.inf, -math.inf


P = TypeVar("P", _SumPoint, _HistogramPoint)


class Aggregate(ABC, Generic[P]):
    """The points of one instrument. Each point belongs to one combination of label values."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._points: dict[tuple[str | int, ...], P] = {}

    def collect(self, now_ns: int) -> Metric | None:
        """Return all points in the SDK's format, or None if nothing was recorded yet."""
        points = list(self._points.items())
        if not points:
            return None
        data = self._to_data([(self._attributes(labels), point) for labels, point in points], now_ns)
        identity = self._identity
        return export.Metric(identity.name, identity.description, identity.unit, data)

    @abstractmethod
    def _to_data(
        self, points: Sequence[tuple[Mapping[str, str | int], P]], now_ns: int
    ) -> export.Sum | export.Histogram: ...

    @abstractmethod
    def _make_point(self) -> P: ...

    def _add_point(self, labels: tuple[str | int, ...]) -> P:
        """Create and return the point for new label values.

        If the maximum number of points is reached, return the additional point.
        """
        if len(self._points) >= MAX_POINTS:
            labels = _OVERFLOW
        return self._points.setdefault(labels, self._make_point())

    def _attributes(self, labels: tuple[str | int, ...]) -> dict[str, str | int]:
        if labels is _OVERFLOW:
            return {_OVERFLOW[0]: True}
        return dict(zip(self._identity.keys, labels, strict=True))


class SumAggregate(Aggregate[_SumPoint]):
    """A sum for each combination of label values."""

    def __init__(self, identity: Identity, *, is_monotonic: bool) -> None:
        super().__init__(identity)
        self._is_monotonic = is_monotonic

    def add(self, amount: int, *labels: str | int) -> None:
        """Add an amount to the sum that belongs to the label values."""
        point = self._points.get(labels) or self._add_point(labels)
        point.value += amount

    def _make_point(self) -> _SumPoint:
        return _SumPoint()

    def _to_data(
        self, points: Sequence[tuple[Mapping[str, str | int], _SumPoint]], now_ns: int
    ) -> export.Sum:
        numbers = [
            export.NumberDataPoint(attributes, point.started_ns, now_ns, point.value)
            for attributes, point in points
        ]
        return export.Sum(numbers, _CUMULATIVE, self._is_monotonic)


class HistogramAggregate(Aggregate[_HistogramPoint]):
    """A histogram for each combination of label values."""

    def __init__(self, identity: Identity, bounds: Sequence[float]) -> None:
        super().__init__(identity)
        self._bounds = tuple(bounds)

    def record(self, value: float, *labels: str | int) -> None:
        """Record a value in the histogram that belongs to the label values."""
        point = self._points.get(labels) or self._add_point(labels)
        point.counts[bisect_left(self._bounds, value)] += 1
        point.sum += value
        point.min = min(point.min, value)
        point.max = max(point.max, value)

    def _make_point(self) -> _HistogramPoint:
        return _HistogramPoint(len(self._bounds) + 1)

    def _to_data(
        self, points: Sequence[tuple[Mapping[str, str | int], _HistogramPoint]], now_ns: int
    ) -> export.Histogram:
        return export.Histogram(
            [self._to_point(attributes, point, now_ns) for attributes, point in points], _CUMULATIVE
        )

    def _to_point(
        self, attributes: Mapping[str, str | int], point: _HistogramPoint, now_ns: int
    ) -> export.HistogramDataPoint:
        counts = tuple(point.counts)
        return export.HistogramDataPoint(
            attributes=attributes,
            start_time_unix_nano=point.started_ns,
            time_unix_nano=now_ns,
            count=sum(counts),
            sum=point.sum,
            bucket_counts=counts,
            explicit_bounds=self._bounds,
            min=point.min,
            max=point.max,
        )


def add_metrics(data: MetricsData, scope: str, aggregates: Sequence[Aggregate[Any]]) -> MetricsData:
    """Return the metrics of the SDK together with the metrics of aggregates.

    Args:
        data: the metrics of the SDK.
        scope: the name of a scope of the SDK. The metrics of the aggregates are added to this scope.
        aggregates: the aggregates whose metrics are added.
    """
    now_ns = time_ns()
    metrics = [metric for one in aggregates if (metric := one.collect(now_ns)) is not None]
    (resource_metrics,) = data.resource_metrics
    scopes = [
        replace(one, metrics=[*metrics, *one.metrics]) if one.scope.name == scope else one
        for one in resource_metrics.scope_metrics
    ]
    return replace(data, resource_metrics=[replace(resource_metrics, scope_metrics=scopes)])
