"""The report of a comparison: Markdown between two markers of a document, and a chart as SVG."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bench.chart import Bar, draw
from bench.envoy import envoy_version, find_envoy
from bench.opa import find_opa, opa_version
from bench.results import figure
from bench.subjects import BARE, ENVOY_OPA, ENVOY_POLICY, FULL
from bench.workloads import workloads

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.results import Figure, Run
    from bench.workloads import Workload

CHART = "performance.svg"
_NONE = "-"


def write_document(run: Run, options: argparse.Namespace) -> None:
    """Print the report; write it into the document, with the chart beside, when there is one."""
    report = "\n".join(_report(run, options))
    print(report)
    if options.document is not None:
        replace_block(options.document, "comparison", report)
        connections = _main_connections(options)
        chart = options.document.with_name(CHART)
        chart.write_text(_chart(run, options.workloads[0], connections), encoding="utf-8")


def replace_block(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a block.

    Raises:
        ValueError: the document has no such block.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    document = path.read_text(encoding="utf-8")
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not block.search(document):
        raise ValueError(f"{path} has no block {name}")
    path.write_text(block.sub(lambda _: f"{begin}\n{text}\n{end}", document), encoding="utf-8")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _main_connections(options: argparse.Namespace) -> int:
    """Return the number of connections that CPU is shown for: 16, or what comes next to it."""
    connections: list[int] = options.connections
    return min(connections, key=lambda one: abs(one - 16))


def _report(run: Run, options: argparse.Namespace) -> Iterator[str]:
    yield from _conditions(options)
    yield ""
    yield f"![CPU of each call]({CHART})"
    connections = _main_connections(options)
    for workload in workloads():
        if workload.key in options.workloads:
            yield f"\n### {workload.name}\n"
            yield from _workload_table(run, workload, connections, options)
    yield "\n### Processes\n"
    yield from _process_table(run)
    yield ""
    yield from _checks(run, options.workloads[0], connections)


def _conditions(options: argparse.Namespace) -> Iterator[str]:
    binary, opa = find_envoy(), find_opa()
    envoy = f"Envoy {envoy_version(binary)}" if binary else "without Envoy"
    policy = f"OPA-Envoy {opa_version(opa)}" if opa else "without OPA"
    yield (
        f"{options.rounds} rounds of slices of {options.slice:g} s, {os.cpu_count()} cores, {envoy}, "
        f"{policy}. A figure is the median of the rounds, with the first and the third quartile. "
        f"CPU and latency are those with {_main_connections(options)} connections."
    )


def _workload_table(
    run: Run, workload: Workload, connections: int, options: argparse.Namespace
) -> Iterator[str]:
    head = ["", "CPU µs a call", "times the bare forwarder", "p50 / p99 / p99.9 ms"]
    head += [f"calls/s, {one} conn." for one in options.connections]
    rows = []
    for key, name in run.names.items():
        cell = (key, workload.key, connections)
        if not run.of(*cell):
            continue
        rates = [_show(run.rate(key, workload.key, one)) for one in options.connections]
        ratio = run.ratio(key, BARE, workload.key, connections)
        rows.append([name, _show(run.cpu_us(*cell)), _show(ratio, 2), _percentiles(run, *cell), *rates])
    return markdown_table(head, rows)


def _percentiles(run: Run, key: str, workload: str, connections: int) -> str:
    shown = [run.percentile_ms(key, workload, connections, share) for share in (0.5, 0.99, 0.999)]
    return " / ".join(_NONE if one is None else f"{one:.1f}" for one in shown)


def _show(value: Figure | None, decimals: int = 0) -> str:
    return _NONE if value is None else value.show(decimals)


def _process_table(run: Run) -> Iterator[str]:
    rows = [
        [
            name,
            f"{figure(run.ready_s[key]).median:.2f}",
            f"{run.idle_mib[key]:.0f}",
            f"{run.after_mib[key]:.0f}",
            f"{run.calls[key]:,}",
        ]
        for key, name in run.names.items()
    ]
    return markdown_table(["", "start to ready s", "RSS idle MiB", "RSS after MiB", "calls"], rows)


def _checks(run: Run, workload: str, connections: int) -> Iterator[str]:
    """Yield what shows that nothing else was the bottleneck, and that nothing was left out."""
    samples = run.all_samples()
    for name, kind in (
        ("upstream", "upstream_s"),
        ("collector", "collector_s"),
        ("generator", "generator_s"),
    ):
        busiest = max(getattr(one, kind) / one.seconds for one in samples)
        each = sum(getattr(one, kind) for one in samples) / sum(one.calls for one in samples) * 1e6
        yield f"- CPU of the {name}: {each:.0f} µs a call, {busiest:.0%} of a core in the busiest slice"
    for key, written in run.lines.items():
        spans = run.spans.get(key, 0)
        lines = "".join(f", {count:,} lines of {pipe}" for pipe, count in written.items())
        calls = run.calls[key]
        yield (
            f"- {run.names[key]}: {calls:,} calls, {spans:,} spans received "
            f"({spans / calls:.2f} a call){lines}"
        )
    yield from _policy_check(run, workload, connections)


def _policy_check(run: Run, workload: str, connections: int) -> Iterator[str]:
    """Yield what the policy servers cost, and the cost of the gateway beside Envoy with OPA."""
    for key in (ENVOY_POLICY, ENVOY_OPA):
        samples = run.of(key, workload, connections)
        if samples:
            policy_us = figure([one.policy_s / one.calls * 1e6 for one in samples]).median
            envoy_us = figure([(one.cpu_s - one.policy_s) / one.calls * 1e6 for one in samples]).median
            yield (
                f"- {run.names[key]}: Envoy itself takes {envoy_us:.0f} µs of that create, the policy server "
                f"{policy_us:.0f} µs"
            )
    ratio = run.ratio(FULL, ENVOY_OPA, workload, connections)
    if ratio is not None:
        yield f"- the gateway takes {ratio.show(2)} times the CPU of Envoy with OPA"


def _chart(run: Run, workload: str, connections: int) -> str:
    bars = []
    for key, name in run.names.items():
        cpu = run.cpu_us(key, workload, connections)
        if cpu is not None:
            bars.append(Bar(name, cpu.median, cpu.low, cpu.high))
    (title,) = (one.name for one in workloads() if one.key == workload)
    return draw(f"{title}: CPU of a call in µs, {connections} connections", bars)
