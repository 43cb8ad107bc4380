"""Sums and histograms that the gateway aggregates itself. The results are the same as the SDK's results.

An aggregate has one point for each combination of label values. To record a value, the aggregate finds the
point of the label values and changes the point. The aggregate uses no lock and no copies, so only one thread
may record values. Another thread may collect the points at the same time. In this case, the collected count
of a point can include a value that the collected sum does not include yet. The next collection includes the
value in both the count and the sum.

A histogram can keep exemplars: for each bucket, the last value of a call whose trace is sampled.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import replace
from time import time_ns
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opentelemetry.sdk.metrics import Exemplar, export

from gateway.telemetry.definition import Definition, Kind
from gateway.telemetry.span import RecordedSpan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricsData
    from opentelemetry.trace import Span, SpanContext

MAX_POINTS = 2000
"""The maximum number of points of an instrument.

After the maximum is reached, one additional point is used for all new combinations of label values.
The SDK does the same.
"""

_OVERFLOW = ("otel.metric.overflow",)
_CUMULATIVE = export.AggregationTemporality.CUMULATIVE


class _SumPoint:
    __slots__ = ("started_ns", "value")

    def __init__(self) -> None:
        self.started_ns = time_ns()
        self.value = 0


class _HistogramPoint:
    __slots__ = ("counts", "exemplars", "max", "min", "started_ns", "sum")

    def __init__(self, buckets: int) -> None:
        self.started_ns = time_ns()
        self.counts = [0] * buckets
        # Keyed by the index of the bucket: value, time in nanoseconds, and context of the span.
        self.exemplars: dict[int, tuple[float, int, SpanContext]] = {}
        self.sum = 0.0
        self.min, self.max = math.inf, -math.inf


P = TypeVar("P", _SumPoint, _HistogramPoint)


class Aggregate(ABC, Generic[P]):
    """The points of one instrument. Each point belongs to one combination of label values."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._keys = definition.keys
        self._points: dict[tuple[str | int, ...], P] = {}

    def collect(self, now_ns: int, exemplars_since_ns: int = 0) -> Metric | None:
        """Return all points in the SDK's format, or None if nothing was recorded yet.

        Args:
            now_ns: the present time, in nanoseconds since the epoch.
            exemplars_since_ns: the earliest time of the exemplars, in nanoseconds since the epoch.
        """
        points = list(self._points.items())
        if not points:
            return None
        attributed = [(self._attributes(labels), point) for labels, point in points]
        data = self._to_data(attributed, now_ns, exemplars_since_ns)
        definition = self._definition
        return export.Metric(definition.name, definition.meaning, definition.unit, data)

    @abstractmethod
    def _to_data(
        self, points: Sequence[tuple[Mapping[str, str | int], P]], now_ns: int, exemplars_since_ns: int
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
        return dict(zip(self._keys, labels, strict=True))


class SumAggregate(Aggregate[_SumPoint]):
    """A sum for each combination of label values."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        self._is_monotonic = definition.kind is Kind.COUNTER

    def add(self, amount: int, *labels: str | int) -> None:
        """Add an amount to the sum that belongs to the label values."""
        point = self._points.get(labels) or self._add_point(labels)
        point.value += amount

    def _make_point(self) -> _SumPoint:
        return _SumPoint()

    def _to_data(
        self,
        points: Sequence[tuple[Mapping[str, str | int], _SumPoint]],
        now_ns: int,
        exemplars_since_ns: int,  # noqa: ARG002 - sums have none
    ) -> export.Sum:
        numbers = [
            export.NumberDataPoint(attributes, point.started_ns, now_ns, point.value)
            for attributes, point in points
        ]
        return export.Sum(numbers, _CUMULATIVE, self._is_monotonic)


class HistogramAggregate(Aggregate[_HistogramPoint]):
    """A histogram for each combination of label values."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        self._bounds = definition.bounds

    def record(self, value: float, *labels: str | int) -> None:
        """Record a value in the histogram that belongs to the label values."""
        self.record_traced(value, None, *labels)

    def record_untraced(self, value: float, span: Span | None, *labels: str | int) -> None:  # noqa: ARG002
        """Record a value without an exemplar."""
        self.record_traced(value, None, *labels)

    def record_traced(self, value: float, span: Span | None, *labels: str | int) -> None:
        """Record a value. If the span is sampled, the value is the new exemplar of its bucket."""
        point = self._points.get(labels) or self._add_point(labels)
        index = bisect_left(self._bounds, value)
        point.counts[index] += 1
        point.sum += value
        if value < point.min:  # noqa: PLR1730 - a call of min() takes twice as long
            point.min = value
        if value > point.max:  # noqa: PLR1730
            point.max = value
        if type(span) is RecordedSpan:
            if span.is_sampled:
                point.exemplars[index] = value, span.end_time or time_ns(), span.context
        elif span is not None and (context := span.get_span_context()).trace_flags.sampled:
            point.exemplars[index] = value, time_ns(), context

    def _make_point(self) -> _HistogramPoint:
        return _HistogramPoint(len(self._bounds) + 1)

    def _to_data(
        self,
        points: Sequence[tuple[Mapping[str, str | int], _HistogramPoint]],
        now_ns: int,
        exemplars_since_ns: int,
    ) -> export.Histogram:
        return export.Histogram(
            [self._to_point(attributes, point, now_ns, exemplars_since_ns) for attributes, point in points],
            _CUMULATIVE,
        )

    def _to_point(
        self,
        attributes: Mapping[str, str | int],
        point: _HistogramPoint,
        now_ns: int,
        exemplars_since_ns: int,
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
            exemplars=[
                Exemplar({}, value, time_of, context.span_id, context.trace_id)
                for value, time_of, context in list(point.exemplars.values())
                if time_of >= exemplars_since_ns
            ],
        )


def add_metrics(
    data: MetricsData, scope: str, aggregates: Sequence[Aggregate[Any]], *, exemplars_since_ns: int = 0
) -> MetricsData:
    """Return the metrics of the SDK together with the metrics of aggregates.

    Args:
        data: the metrics of the SDK.
        scope: the name of a scope of the SDK. The metrics of the aggregates are added to this scope.
        aggregates: the aggregates whose metrics are added.
        exemplars_since_ns: the earliest time of the exemplars, in nanoseconds since the epoch.
    """
    now_ns = time_ns()
    found = (one.collect(now_ns, exemplars_since_ns) for one in aggregates)
    metrics = [metric for metric in found if metric is not None]
    (resource_metrics,) = data.resource_metrics
    scopes = [
        replace(one, metrics=[*metrics, *one.metrics]) if one.scope.name == scope else one
        for one in resource_metrics.scope_metrics
    ]
    return replace(data, resource_metrics=[replace(resource_metrics, scope_metrics=scopes)])
