"""`make fuzz`: rounds of schemathesis before the demo, until there were requests enough.

Exit codes: 0 nothing found, 1 something found, 2 too slow for the number of requests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.fuzzing import DEMO, answers, command, environment, prepare
from tests.processes import serving

REQUESTS = 20_000
LIMIT_S = 15 * 60.0
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
"""Most requests that one round makes up for an operation."""


def main() -> int:
    """Fuzz, tell of it, and return the exit code."""
    deadline = time.monotonic() + LIMIT_S
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(*DEMO, GATEWAY__DECISION_LOG__TYPE="none") as (
            _,
            rest,
            admin,
        ),
    ):
        document = Path(folder) / "openapi.json"
        prepare(rest, admin, document, images=200)
        for seed in range(1, 100):
            try:
                code = _round(document, rest, seed, deadline)
            except subprocess.TimeoutExpired:
                return 2
            counts = answers(admin)
            failures = sum(count for status, count in counts.items() if status >= 500)
            print(f"{sum(counts.values())} requests so far, {failures} answered with 5xx: {counts}")  # noqa: T201
            if code or failures:
                return 1
            if sum(counts.values()) >= REQUESTS:
                return 0
    return 2


def _round(document: Path, rest: str, seed: int, deadline: float) -> int:
    phases = "examples,coverage,fuzzing" if seed == 1 else "fuzzing"
    words = command(document, rest, seed=seed, examples=EXAMPLES, phases=phases)
    left_s = max(1.0, deadline - time.monotonic())
    return subprocess.run(
        words, cwd=document.parent, env=environment(), timeout=left_s, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
