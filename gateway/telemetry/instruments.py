"""The instruments in which each call records values. The gateway itself or the SDK aggregates the values.

The gateway's instruments and the SDK's instruments produce the same metrics. Only the SDK's
instruments support other temporalities, exponential histograms and exemplars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from gateway.telemetry.aggregation import Aggregate, HistogramAggregate, Identity, SumAggregate, add_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData
    from opentelemetry.util.types import Attributes
    from prometheus_client import CollectorRegistry

Record: TypeAlias = Callable[..., None]
"""A function that records a value. The arguments are the value and the values of its labels."""

Keys: TypeAlias = tuple[str, ...]

SCOPE_NAME = "baremetal-gateway"
"""The instrumentation scope of every metric."""

_SECONDS = "s"
_DEFAULTS = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": ("", "cumulative"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": ("", "explicit_bucket_histogram"),
    # The gateway has no current span. Therefore the filter `trace_based` selects no exemplars.
    "OTEL_METRICS_EXEMPLAR_FILTER": ("", "trace_based", "always_off"),
}


def need_sdk(environment: Mapping[str, str]) -> bool:
    """Return whether the environment requires a feature that only the SDK's instruments have."""
    return any(environment.get(name, "").strip().lower() not in done for name, done in _DEFAULTS.items())


class Instruments(Protocol):
    """Creates instruments. An instrument is a function that records a value."""

    def create_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Create a counter, and return a function that adds an amount to the counter."""

    def create_up_down_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Create a counter, and return a function that adds an amount. The amount may be negative."""

    def create_histogram(self, name: str, description: str, keys: Keys, bounds: Sequence[float]) -> Record:
        """Create a histogram, and return a function that records a duration in seconds."""


class SdkInstruments:
    """Creates instruments whose values the SDK aggregates."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def create_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Create a counter, and return a function that adds an amount to the counter."""
        return _with_keys(self._meter.create_counter(name, "", description).add, keys)

    def create_up_down_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Create a counter, and return a function that adds an amount. The amount may be negative."""
        return _with_keys(self._meter.create_up_down_counter(name, "", description).add, keys)

    def create_histogram(self, name: str, description: str, keys: Keys, bounds: Sequence[float]) -> Record:
        """Create a histogram, and return a function that records a duration in seconds."""
        histogram = self._meter.create_histogram(
            name, _SECONDS, description, explicit_bucket_boundaries_advisory=bounds
        )
        return _with_keys(histogram.record, keys)


class OwnInstruments:
    """Creates instruments whose values the gateway aggregates.

    Attributes:
        aggregates: the aggregates of the instruments, in the order of creation.
    """

    def __init__(self) -> None:
        self.aggregates: list[Aggregate[Any]] = []

    def create_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Create a counter, and return a function that adds an amount to the counter."""
        return self._create_sum(Identity(name, description, "", keys), is_monotonic=True)

    def create_up_down_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Create a counter, and return a function that adds an amount. The amount may be negative."""
        return self._create_sum(Identity(name, description, "", keys), is_monotonic=False)

    def create_histogram(self, name: str, description: str, keys: Keys, bounds: Sequence[float]) -> Record:
        """Create a histogram, and return a function that records a duration in seconds."""
        aggregate = HistogramAggregate(Identity(name, description, _SECONDS, keys), bounds)
        self.aggregates.append(aggregate)
        return aggregate.record

    def _create_sum(self, identity: Identity, *, is_monotonic: bool) -> Record:
        aggregate = SumAggregate(identity, is_monotonic=is_monotonic)
        self.aggregates.append(aggregate)
        return aggregate.add


class PrometheusReader(PrometheusMetricReader):
    """Exports all metrics to Prometheus: the SDK's metrics, and the metrics that the gateway aggregates."""

    def __init__(self, own: OwnInstruments, registry: CollectorRegistry) -> None:
        super().__init__(registry=registry, scope_info_enabled=False)
        self._own = own

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> None:
        data = add_metrics(metrics_data, SCOPE_NAME, self._own.aggregates)
        super()._receive_metrics(data, timeout_millis, **options)


class ExportingReader(PeriodicExportingMetricReader):
    """Exports all metrics periodically: the SDK's metrics, and the metrics that the gateway aggregates."""

    def __init__(self, own: OwnInstruments, exporter: MetricExporter) -> None:
        self._own = own  # set first, because the constructor starts a thread that reads this attribute
        super().__init__(exporter)

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> None:
        data = add_metrics(metrics_data, SCOPE_NAME, self._own.aggregates)
        super()._receive_metrics(data, timeout_millis, **options)


def _with_keys(record: Callable[[Any, Attributes], None], keys: Keys) -> Record:
    return lambda value, *labels: record(value, dict(zip(keys, labels, strict=True)))
