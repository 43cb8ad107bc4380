"""A panel of a dashboard, and the queries that many panels have."""

from __future__ import annotations

from dataclasses import dataclass

RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel with graphs.

    Attributes:
        title: the title.
        text: the description.
        unit: the unit of Grafana.
        queries: queries in PromQL, each with the legend of its time series. `SERIES` is the selector of the
            chosen job and instances.
        has_exemplars: whether exemplars are shown.
    """

    title: str
    text: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    has_exemplars: bool = False


def rate_of(metric: str, by: str, labels: str = "") -> str:
    """Return the query of the rate of a counter."""
    selector = f"{{SERIES{',' if labels else ''}{labels}}}"
    return f"sum by ({by}) (rate({metric}{selector}{RATE}))"


def sum_of(metric: str, by: str) -> str:
    """Return the query of the sum of a gauge."""
    return f"sum by ({by}) ({metric}{{SERIES}})"


def quantiles_of(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Return the queries of the median and the 99th percentile of a histogram."""
    keys, legend = (f"le, {by}", f" {{{{{by}}}}}") if by else ("le", "")
    return tuple(
        (f"histogram_quantile({quantile}, {rate_of(f'{metric}_bucket', keys)})", f"{name}{legend}")
        for quantile, name in ((0.5, "p50"), (0.99, "p99"))
    )
