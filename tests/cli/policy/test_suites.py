"""`policy test` for a part of the cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.policy.test_group import bundle, run

__all__ = ["bundle"]


def test_filter_runs_the_cases_with_a_text(bundle: Path) -> None:
    done = run("test", bundle, "--filter", "unnamed")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "passed  tests.yaml: unnamed",
        "1 passed, 0 failed",
        "rules, mutations, waivers and bindings covered by tests: 2 of 4 (50.0 %), by a part of the tests",
    ]


def test_filter_as_json_says_that_the_coverage_is_partial(bundle: Path) -> None:
    told = json.loads(run("test", bundle, "--filter", "unnamed", "--json").stdout)
    assert [one["case"] for one in told["cases"]] == ["unnamed"]
    assert told["coverage"]["partial"] is True


def test_a_filter_that_nothing_has_is_1(bundle: Path) -> None:
    done = run("test", bundle, "--filter", "Unnamed")
    assert done.returncode == 1
    assert done.stderr == "no test has 'Unnamed' in its name, in its suite's name or in its file's\n"


@pytest.mark.parametrize("words", [["--coverage", "100"], ["--coverage", "0.5"]])
def test_filter_and_coverage_do_not_go_together(bundle: Path, words: list[str]) -> None:
    done = run("test", bundle, "--filter", "unnamed", *words)
    assert done.returncode == 2
    assert "--coverage is about all tests, and --filter leaves some out" in done.stderr
