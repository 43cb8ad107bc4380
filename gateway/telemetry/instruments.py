"""Instruments that every call records in: aggregated by the gateway itself, or by the SDK.

Both show the same metrics. The SDK's own do more than the gateway's: other temporalities,
exponential histograms, exemplars.
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
"""Records a value, followed by the values of its labels."""

Keys: TypeAlias = tuple[str, ...]

SCOPE_NAME = "baremetal-gateway"
"""The instrumentation scope of every metric."""

_SECONDS = "s"
_DEFAULTS = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": ("", "cumulative"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": ("", "explicit_bucket_histogram"),
    "OTEL_METRICS_EXEMPLAR_FILTER": ("", "trace_based", "always_off"),  # no span is ever the current one
}


def need_sdk(environment: Mapping[str, str]) -> bool:
    """Return whether the environment asks for what only the SDK's instruments do."""
    return any(environment.get(name, "").strip().lower() not in done for name, done in _DEFAULTS.items())


class Instruments(Protocol):
    """Makes instruments; each is a function that records."""

    def create_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Return a function that adds to a new counter."""

    def create_up_down_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Return a function that adds to a new counter, or subtracts from it."""

    def create_histogram(self, name: str, description: str, keys: Keys, bounds: Sequence[float]) -> Record:
        """Return a function that records a duration, in seconds, in a new histogram."""


class SdkInstruments:
    """Instruments of the SDK."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def create_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Return a function that adds to a new counter."""
        return _with_keys(self._meter.create_counter(name, "", description).add, keys)

    def create_up_down_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Return a function that adds to a new counter, or subtracts from it."""
        return _with_keys(self._meter.create_up_down_counter(name, "", description).add, keys)

    def create_histogram(self, name: str, description: str, keys: Keys, bounds: Sequence[float]) -> Record:
        """Return a function that records a duration, in seconds, in a new histogram."""
        histogram = self._meter.create_histogram(
            name, _SECONDS, description, explicit_bucket_boundaries_advisory=bounds
        )
        return _with_keys(histogram.record, keys)


class OwnInstruments:
    """Instruments that the gateway aggregates itself.

    Attributes:
        aggregates: the aggregates of the instruments, in the order in which they were created.
    """

    def __init__(self) -> None:
        self.aggregates: list[Aggregate[Any]] = []

    def create_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Return a function that adds to a new counter."""
        return self._create_sum(Identity(name, description, "", keys), is_monotonic=True)

    def create_up_down_counter(self, name: str, description: str, keys: Keys = ()) -> Record:
        """Return a function that adds to a new counter, or subtracts from it."""
        return self._create_sum(Identity(name, description, "", keys), is_monotonic=False)

    def create_histogram(self, name: str, description: str, keys: Keys, bounds: Sequence[float]) -> Record:
        """Return a function that records a duration, in seconds, in a new histogram."""
        aggregate = HistogramAggregate(Identity(name, description, _SECONDS, keys), bounds)
        self.aggregates.append(aggregate)
        return aggregate.record

    def _create_sum(self, identity: Identity, *, is_monotonic: bool) -> Record:
        aggregate = SumAggregate(identity, is_monotonic=is_monotonic)
        self.aggregates.append(aggregate)
        return aggregate.add


class PrometheusReader(PrometheusMetricReader):
    """Shows the SDK's metrics and the gateway's own to Prometheus."""

    def __init__(self, own: OwnInstruments, registry: CollectorRegistry) -> None:
        super().__init__(registry=registry, scope_info_enabled=False)
        self._own = own

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> None:
        data = add_metrics(metrics_data, SCOPE_NAME, self._own.aggregates)
        super()._receive_metrics(data, timeout_millis, **options)


class ExportingReader(PeriodicExportingMetricReader):
    """Exports the SDK's metrics and the gateway's own."""

    def __init__(self, own: OwnInstruments, exporter: MetricExporter) -> None:
        self._own = own  # first: the library starts a thread
        super().__init__(exporter)

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> None:
        data = add_metrics(metrics_data, SCOPE_NAME, self._own.aggregates)
        super()._receive_metrics(data, timeout_millis, **options)


def _with_keys(record: Callable[[Any, Attributes], None], keys: Keys) -> Record:
    return lambda value, *labels: record(value, dict(zip(keys, labels, strict=True)))
