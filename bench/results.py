"""What a comparison has measured, and the figures made of it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Cell = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One slice of load on one subject.

    Attributes:
        calls: that have ended.
        seconds: that they took.
        cpu_s: of the subject's process tree.
        policy_s: of its policy server, which is in the tree.
        upstream_s: of the upstream.
        collector_s: of the collector.
        generator_s: of the load generator.
        latencies_ms: of each call.
    """

    calls: int
    seconds: float
    cpu_s: float
    policy_s: float
    upstream_s: float
    collector_s: float
    generator_s: float
    latencies_ms: list[float]

    @property
    def cpu_us(self) -> float:
        """Return the CPU of the tree for each call, in microseconds."""
        return self.cpu_s / self.calls * 1e6

    @property
    def rate(self) -> float:
        """Return the calls in a second."""
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with its spread: the first and the third quartile."""

    median: float
    low: float
    high: float

    def show(self, decimals: int = 0) -> str:
        """Return it as text."""
        return f"{self.median:,.{decimals}f} ({self.low:,.{decimals}f} to {self.high:,.{decimals}f})"


def figure(values: Sequence[float]) -> Figure:
    """Return the median of values with its spread."""
    if len(values) == 1:
        return Figure(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(median, low, high)


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        samples: of each subject and cell (workload and connections), in the order of the rounds.
        names: of the subjects.
        ready_s: the starts of each subject.
        idle_mib: resident memory before the load.
        after_mib: after it.
        calls: that each subject was sent.
        spans: that the collector has counted, by service.
        lines: that each subject has written, by pipe.
    """

    samples: dict[str, dict[Cell, list[Sample]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    ready_s: dict[str, list[float]] = field(default_factory=dict)
    idle_mib: dict[str, float] = field(default_factory=dict)
    after_mib: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    spans: dict[str, int] = field(default_factory=dict)
    lines: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, subject: str, workload: str, connections: int, sample: Sample) -> None:
        """Add a sample."""
        self.samples.setdefault(subject, {}).setdefault((workload, connections), []).append(sample)

    def of(self, subject: str, workload: str, connections: int) -> list[Sample]:
        """Return the samples of a cell; none where the subject does not take the workload."""
        return self.samples.get(subject, {}).get((workload, connections), [])

    def all_samples(self) -> list[Sample]:
        """Return all samples."""
        return [one for cells in self.samples.values() for samples in cells.values() for one in samples]

    def cpu_us(self, subject: str, workload: str, connections: int) -> Figure | None:
        """Return the CPU for each call, in microseconds."""
        samples = self.of(subject, workload, connections)
        return figure([one.cpu_us for one in samples]) if samples else None

    def rate(self, subject: str, workload: str, connections: int) -> Figure | None:
        """Return the calls in a second."""
        samples = self.of(subject, workload, connections)
        return figure([one.rate for one in samples]) if samples else None

    def ratio(self, subject: str, other: str, workload: str, connections: int) -> Figure | None:
        """Return how many times the CPU of another subject a call costs, within each round."""
        pairs = zip(
            self.of(subject, workload, connections), self.of(other, workload, connections), strict=False
        )
        values = [one.cpu_us / base.cpu_us for one, base in pairs if base.cpu_us]
        return figure(values) if values else None

    def percentile_ms(self, subject: str, workload: str, connections: int, share: float) -> float | None:
        """Return the latency that so large a share of all calls stays below, in milliseconds."""
        latencies = sorted(
            one for sample in self.of(subject, workload, connections) for one in sample.latencies_ms
        )
        return latencies[min(int(len(latencies) * share), len(latencies) - 1)] if latencies else None
