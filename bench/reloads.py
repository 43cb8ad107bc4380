"""Memory over many reloads of the bundle that ships, and how long a reload takes."""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import resident_mib
from bench.workloads import CREATE
from gateway.bundles import read_bundle
from gateway.call import Caller
from gateway.config import Config
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import load_schema


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.reloads")
    parser.add_argument("--reloads", type=int, default=1000)
    reloads = parser.parse_args().reloads
    schema = load_schema(Config().services)
    files = read_bundle(Path("policies"))
    request = schema.methods[CREATE].request(uri="https://storage.yandexcloud.net/golden-images/a.iso")
    policy_input = PolicyInput(CREATE, request, Caller(), datetime(2026, 1, 1, tzinfo=UTC))
    times_ms = []
    for number in range(reloads + 1):
        changed = BundleFiles({name: f"{text}# {number}\n" for name, text in files.texts.items()})
        started = time.perf_counter()
        decider = Decider(load_bundle(changed, schema))
        times_ms.append((time.perf_counter() - started) * 1000)
        decider.decide(policy_input)
        if number in {0, 10, 50, 100, 200, 300, 500, 750, reloads}:
            gc.collect()
            print(f"after {number:>5} reloads: {resident_mib([os.getpid()]):7.1f} MiB")
    print(f"a reload takes {statistics.median(times_ms):.1f} ms (median)")


if __name__ == "__main__":
    main()
