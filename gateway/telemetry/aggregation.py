"""Sums and histograms that are aggregated where they are recorded, as the SDK would aggregate them.

A record looks its point up by the values of the labels and changes it: no lock, no copies,
no thread but one may record. Whoever collects meanwhile may see a value in one part of a
point and not yet in another; the next collection shows it in both.
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
"""Points of an instrument; what has further labels is counted in one more, as in the SDK."""

_OVERFLOW = ("otel.metric.overflow",)
_CUMULATIVE = export.AggregationTemporality.CUMULATIVE


@dataclass(frozen=True, slots=True)
class Identity:
    """The name and description of an instrument.

    Attributes:
        name: the name, by OpenTelemetry's conventions.
        description: the description for people.
        unit: the unit of its values; empty for counts.
        keys: the keys of the labels that each record has.
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
    """The points of one instrument, by the values of their labels."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._points: dict[tuple[str | int, ...], P] = {}

    def collect(self, now_ns: int) -> Metric | None:
        """Return all points as the SDK does; None before the first record."""
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
        """Return the point of labels that have none yet."""
        if len(self._points) >= MAX_POINTS:
            labels = _OVERFLOW
        return self._points.setdefault(labels, self._make_point())

    def _attributes(self, labels: tuple[str | int, ...]) -> dict[str, str | int]:
        if labels is _OVERFLOW:
            return {_OVERFLOW[0]: True}
        return dict(zip(self._identity.keys, labels, strict=True))


class SumAggregate(Aggregate[_SumPoint]):
    """A sum for each set of labels."""

    def __init__(self, identity: Identity, *, is_monotonic: bool) -> None:
        super().__init__(identity)
        self._is_monotonic = is_monotonic

    def add(self, amount: int, *labels: str | int) -> None:
        """Add an amount."""
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
    """A histogram for each set of labels."""

    def __init__(self, identity: Identity, bounds: Sequence[float]) -> None:
        super().__init__(identity)
        self._bounds = tuple(bounds)

    def record(self, value: float, *labels: str | int) -> None:
        """Count a value."""
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
    """Return the metrics of the SDK, with further metrics in one of its scopes."""
    now_ns = time_ns()
    metrics = [metric for one in aggregates if (metric := one.collect(now_ns)) is not None]
    (resource_metrics,) = data.resource_metrics
    scopes = [
        replace(one, metrics=[*metrics, *one.metrics]) if one.scope.name == scope else one
        for one in resource_metrics.scope_metrics
    ]
    return replace(data, resource_metrics=[replace(resource_metrics, scope_metrics=scopes)])
