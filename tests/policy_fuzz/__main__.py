"""`python -m tests.policy_fuzz`: the decisions on 100,000 made-up requests, beside an oracle's.

Exit codes: 0 all agree, 1 something differs, or the made-up rules came to too few kinds of outcome.
"""

from __future__ import annotations

import argparse
import sys

from gateway.config import Config
from gateway.schema import load_schema
from tests.policy_fuzz.oracle import Outcome
from tests.policy_fuzz.run import run
from tests.policy_fuzz.shrinking import describe, shrink

LEAST_SHARE = 0.05
OUTCOMES: tuple[Outcome, ...] = ("true", "false", "error")


def main() -> int:
    """Run, tell of it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.policy_fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=100_000)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)  # noqa: T201
    schema = load_schema(Config().services)
    report = run(schema, arguments.seed, arguments.pairs)
    shares = {outcome: report.share(outcome) for outcome in OUTCOMES}
    rules = ", ".join(f"{share:.1%} {outcome}" for outcome, share in shares.items())
    lines = [
        f"{report.pairs:,} pairs of {report.bundles:,} bundles in {report.seconds:.0f} s",
        f"{report.refused:,} bundles refused because they cost too much",
        f"{report.rules.total():,} rules evaluated: {rules}",
        f"decisions: {dict(report.outcomes)}",
        f"{report.second:,} expressions evaluated by the Rust engine too",
        f"its explained differences: {dict(report.explained) or 'none'}",
        *(describe(shrink(schema, one)) for one in report.differences),
    ]
    print("\n".join(lines))  # noqa: T201
    return 1 if report.differences or min(shares.values()) < LEAST_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
