"""A bundle that is loaded again and again leaves nothing behind: seen in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT
from tests.processes import without_coverage
from tests.rounds import rounds

MOST_KIB = 5
"""That a reload may keep."""

RELOADS = """
import gc
import sys
from pathlib import Path
from gateway.policy.bundle_files import BundleFiles
from tests.policy.making import UNKNOWN_CALLER
from gateway.config import Config
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.schema import load_schema
from tests.policy.making import CREATE, NOW, binding_text, policy_text

early, late = map(int, sys.argv[1:])
schema = load_schema(Config().services)
request = schema.known[CREATE].request(name="n", labels={"a": "b"})

def resident_kib():
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

for number in range(late + 1):
    rules = [
        f"request.name.matches('^[a-z]+-{number}?$') || v != ''",
        "request.labels.all(key, key in params.keys)",
        f"objectStorage(request.uri).bucket == 'b{number}'",
    ]
    text = policy_text(*rules, variables={"v": "request.name + 'x'"})
    keys = [f"key-{one}" for one in range(50)]
    text += binding_text(params={"keys": keys}, when=f"request.name != 'x{number}'")
    decider = Decider(load_bundle(BundleFiles({"bundle.yaml": text}), schema))
    assert len(decider.decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW)).violations) == 2
    if number in {early, late}:
        print(resident_kib())
"""


def test_memory_is_flat_over_reloads() -> None:
    reloads = {"early": rounds(100, long=200), "late": rounds(300, long=1000)}
    done = subprocess.run(
        [sys.executable, "-c", RELOADS, *map(str, reloads.values())],
        cwd=ROOT,
        env=without_coverage(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    early, late = map(int, done.stdout.split())
    assert late - early < MOST_KIB * (reloads["late"] - reloads["early"]), f"{early} KiB, later {late} KiB"
