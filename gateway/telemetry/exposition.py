"""The text formats of Prometheus and OpenMetrics.

The translation of names is that of OpenTelemetry:
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/. The library
opentelemetry-exporter-prometheus makes the same text, but without exemplars. It also needs ten times as
long, and the event loop handles no call in this time.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import Histogram, Sum
from opentelemetry.trace import format_span_id, format_trace_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import HistogramDataPoint, Metric, MetricsData, NumberDataPoint

PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
"""The media type of Prometheus' format."""
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
"""The media type of OpenMetrics' format, which contains exemplars."""

_UNITS = {"s": "seconds", "By": "bytes"}
_NO_NAME = re.compile(r"(?:^[0-9]|[^a-zA-Z0-9_])+")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_TARGET = "Target metadata"
_NS_PER_S = 1e9


def choose_format(accept: str) -> str:
    """Return the media type for the header Accept of a request."""
    names = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return OPENMETRICS if "application/openmetrics-text" in names else PROMETHEUS


class Exposition:
    """Writes metrics as text. It keeps the texts of labels, because they stay the same."""

    def __init__(self) -> None:
        self._labels: dict[tuple[tuple[str, Any], ...], str] = {}
        self._bounds: dict[Sequence[float], tuple[str, ...]] = {}

    def write(self, data: MetricsData, media_type: str) -> bytes:
        """Return the text of all metrics.

        Args:
            data: the metrics of one resource.
            media_type: PROMETHEUS or OPENMETRICS.
        """
        is_open = media_type == OPENMETRICS
        lines: list[str] = []
        for resource in data.resource_metrics:
            lines += self._write_target(resource.resource.attributes, is_open=is_open)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    lines += self._write_metric(metric, is_open=is_open)
        if is_open:
            lines.append("# EOF")
        return ("\n".join(lines) + "\n").encode()

    def _write_target(self, attributes: Mapping[str, Any], *, is_open: bool) -> Iterator[str]:
        name, kind = ("target", "info") if is_open else ("target_info", "gauge")
        yield f"# HELP {name} {_TARGET}"
        yield f"# TYPE {name} {kind}"
        yield f"target_info{_braces(_to_labels(attributes.items()))} 1.0"

    def _write_metric(self, metric: Metric, *, is_open: bool) -> Iterator[str]:
        unit = _UNITS.get(metric.unit or "", "")
        name = _to_name(metric.name) + (f"_{unit}" if unit else "")
        data = metric.data
        is_counter = isinstance(data, Sum) and data.is_monotonic
        total = f"{name}_total" if is_counter else name
        kind = "counter" if is_counter else "histogram" if isinstance(data, Histogram) else "gauge"
        family = name if is_open else total
        yield f"# HELP {family} {(metric.description or '').translate(_ESCAPES)}"
        yield f"# TYPE {family} {kind}"
        if is_open and unit:
            yield f"# UNIT {family} {unit}"
        if isinstance(data, Histogram):
            for point in data.data_points:
                yield from self._write_histogram(name, point, is_open=is_open)
            return
        for number in data.data_points:
            yield self._write_number(total, number)

    def _write_number(self, name: str, point: Any) -> str:
        return f"{name}{_braces(self._find_labels(point))} {_to_number(point.value)}"

    def _write_histogram(self, name: str, point: HistogramDataPoint, *, is_open: bool) -> Iterator[str]:
        labels = self._find_labels(point)
        start = f'{name}_bucket{{{labels}{"," if labels else ""}le="'
        exemplars = self._find_exemplars(point) if is_open and point.exemplars else {}
        count = 0
        for index, (bound, added) in enumerate(
            zip(self._find_bounds(point.explicit_bounds), point.bucket_counts, strict=True)
        ):
            count += added
            yield f'{start}{bound}"}} {count}.0{exemplars.get(index, "")}'
        yield f"{name}_count{_braces(labels)} {count}.0"
        yield f"{name}_sum{_braces(labels)} {_to_number(point.sum)}"

    def _find_exemplars(self, point: HistogramDataPoint) -> dict[int, str]:
        """Return the text of each bucket's exemplar, keyed by the index of the bucket."""
        found: dict[int, Exemplar] = {}
        for one in point.exemplars:
            index = sum(bound < one.value for bound in point.explicit_bounds)
            if one.trace_id and (index not in found or found[index].time_unix_nano < one.time_unix_nano):
                found[index] = one
        return {index: _to_exemplar(one) for index, one in found.items()}

    def _find_labels(self, point: NumberDataPoint | HistogramDataPoint) -> str:
        key = tuple((point.attributes or {}).items())
        labels = self._labels.get(key)
        if labels is None:
            labels = self._labels[key] = _to_labels(key)
        return labels

    def _find_bounds(self, bounds: Sequence[float]) -> tuple[str, ...]:
        texts = self._bounds.get(bounds)
        if texts is None:
            texts = self._bounds[bounds] = (*(str(float(bound)) for bound in bounds), "+Inf")
        return texts


def _to_exemplar(one: Exemplar) -> str:
    trace_id, span_id = format_trace_id(one.trace_id or 0), format_span_id(one.span_id or 0)
    labels = f'span_id="{span_id}",trace_id="{trace_id}"'
    return f" # {{{labels}}} {_to_number(one.value)} {one.time_unix_nano / _NS_PER_S:.3f}"


def _to_labels(attributes: Any) -> str:
    named = {_to_name(key): _to_text(value) for key, value in attributes}
    return ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in sorted(named.items()))


def _to_name(name: str) -> str:
    return _NO_NAME.sub("_", name)


def _to_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_number(value: float) -> str:
    number = float(value)
    if math.isfinite(number):
        return repr(number)
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
