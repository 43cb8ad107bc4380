"""The instruments in which each call records values. The gateway itself or the SDK aggregates the values.

The gateway's instruments and the SDK's instruments produce the same metrics. Only the SDK's instruments
support other temporalities, exponential histograms, and exemplars of calls that are not sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

from gateway.telemetry.aggregation import Aggregate, HistogramAggregate, SumAggregate
from gateway.telemetry.definition import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Span

    from gateway.telemetry.definition import Definition

Record: TypeAlias = Callable[..., None]
"""A function that records a value. The arguments are the value and the values of its labels."""

TracedRecord: TypeAlias = Callable[..., None]
"""A function that records a value of a call. The arguments are the value, the span, and the label values."""

SCOPE_NAME = "baremetal-gateway"
"""The instrumentation scope of every metric."""

EXEMPLAR_FILTER = "OTEL_METRICS_EXEMPLAR_FILTER"
"""The standard variable that selects the values that become exemplars."""

_DEFAULTS = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": ("", "cumulative"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": ("", "explicit_bucket_histogram"),
    EXEMPLAR_FILTER: ("", "trace_based", "always_off"),
}


def need_sdk(environment: Mapping[str, str]) -> bool:
    """Return whether the environment requires a feature that only the SDK's instruments have."""
    return any(environment.get(name, "").strip().lower() not in done for name, done in _DEFAULTS.items())


class Instruments(Protocol):
    """Creates instruments. An instrument is a function that records a value."""

    def create(self, definition: Definition) -> Record:
        """Create an instrument, and return a function that records a value."""

    def create_traced(self, definition: Definition) -> TracedRecord:
        """Create a histogram with exemplars, and return a function that records a value of a call."""


class SdkInstruments:
    """Creates instruments whose values the SDK aggregates."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def create(self, definition: Definition) -> Record:
        """Create an instrument, and return a function that records a value."""
        keys, function = definition.keys, self._create(definition)

        def record(value: float, *labels: str | int) -> None:
            function(value, dict(zip(keys, labels, strict=True)))

        for labels in definition.starts:
            record(0, *labels)
        return record

    def create_traced(self, definition: Definition) -> TracedRecord:
        """Create a histogram with exemplars, and return a function that records a value of a call."""
        keys, function = definition.keys, self._create(definition)

        def record(value: float, span: Span | None, *labels: str | int) -> None:
            context = set_span_in_context(span, Context()) if span is not None else Context()
            function(value, dict(zip(keys, labels, strict=True)), context)

        return record

    def _create(self, definition: Definition) -> Callable[..., None]:
        name, unit, text = definition.name, definition.unit, definition.meaning
        match definition.kind:
            case Kind.COUNTER:
                return self._meter.create_counter(name, unit, text).add
            case Kind.UP_DOWN:
                return self._meter.create_up_down_counter(name, unit, text).add
            case Kind.GAUGE:
                return self._meter.create_gauge(name, unit, text).set
            case Kind.HISTOGRAM:
                bounds = definition.bounds
                return self._meter.create_histogram(
                    name, unit, text, explicit_bucket_boundaries_advisory=bounds
                ).record
            case _:
                raise ValueError(f"{name} is observed, and nothing is recorded in it")


class OwnInstruments:
    """Creates instruments whose values the gateway aggregates.

    Attributes:
        aggregates: the aggregates of the instruments, in the order of creation.
    """

    def __init__(self, *, has_exemplars: bool = True) -> None:
        """Initialize the collection.

        Args:
            has_exemplars: whether histograms keep exemplars of sampled calls.
        """
        self.aggregates: list[Aggregate[Any]] = []
        self._has_exemplars = has_exemplars

    def create(self, definition: Definition) -> Record:
        """Create an instrument, and return a function that records a value."""
        if definition.kind is Kind.HISTOGRAM:
            histogram = HistogramAggregate(definition)
            self.aggregates.append(histogram)
            return histogram.record
        aggregate = SumAggregate(definition)
        self.aggregates.append(aggregate)
        for labels in definition.starts:
            aggregate.add(0, *labels)
        return aggregate.add

    def create_traced(self, definition: Definition) -> TracedRecord:
        """Create a histogram with exemplars, and return a function that records a value of a call."""
        histogram = HistogramAggregate(definition)
        self.aggregates.append(histogram)
        return histogram.record_traced if self._has_exemplars else histogram.record_untraced
