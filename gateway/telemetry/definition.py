"""The definition of a metric."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """The kind of an instrument.

    Attributes:
        COUNTER: a sum that never decreases.
        UP_DOWN: a sum that can decrease. It is a gauge in Prometheus.
        GAUGE: the last value that was set.
        HISTOGRAM: the distribution of values.
        OBSERVED_COUNTER: a counter whose value is read when the metrics are collected.
        OBSERVED_GAUGE: a gauge whose value is read when the metrics are collected.
    """

    COUNTER = "counter"
    UP_DOWN = "up-down counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    OBSERVED_COUNTER = "observed counter"
    OBSERVED_GAUGE = "observed gauge"


_UNIT_NAMES = {"s": "seconds", "By": "bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The definition of a metric.

    Attributes:
        name: the name of OpenTelemetry.
        kind: the kind of the instrument.
        meaning: the description of the metric.
        unit: the unit as UCUM code; empty for counts.
        labels: the meaning of each label, keyed by the attribute of OpenTelemetry.
        bounds: the upper bounds of the buckets of a histogram.
        starts: the values of the labels of time series that exist from the start, with the value 0. A
            counter that appears with its first event hides this event from rates.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    starts: tuple[tuple[str, ...], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the labels, in the order in which values are recorded."""
        return tuple(self.labels)

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus. The time series of a histogram have a further suffix."""
        unit = f"_{_UNIT_NAMES[self.unit]}" if self.unit else ""
        total = "_total" if self.kind in {Kind.COUNTER, Kind.OBSERVED_COUNTER} else ""
        return self.name.replace(".", "_") + unit + total

    @property
    def prometheus_kind(self) -> str:
        """The type in Prometheus: counter, gauge or histogram."""
        match self.kind:
            case Kind.COUNTER | Kind.OBSERVED_COUNTER:
                return "counter"
            case Kind.HISTOGRAM:
                return "histogram"
            case _:
                return "gauge"


def prometheus_label(key: str) -> str:
    """Return the name of a label in Prometheus."""
    return key.replace(".", "_")
