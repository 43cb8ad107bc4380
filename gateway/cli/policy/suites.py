"""The command that runs the tests of a bundle."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_line import (
    FILE,
    FOUND_FAULTS,
    bundle_argument,
    config_option,
    json_option,
    open_bundle,
    print_json,
    write_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.policy import Bundle
    from gateway.policy_tools import CaseResult, Coverage


@click.command()
@bundle_argument
@config_option
@json_option
@click.option("--junit", "junit", type=FILE, help="Write a JUnit report here.")
@click.option(
    "--coverage",
    "threshold",
    type=click.FloatRange(0, 100),
    default=0,
    show_default=True,
    help="Percent of rules, mutations, waivers and bindings that tests have to show at work.",
)
@click.option(
    "--filter",
    "containing",
    default="",
    metavar="TEXT",
    help="Run only the cases with TEXT in their name, in their suite's name or in their file's.",
)
def test(
    path: Path | None,
    file: Path | None,
    junit: Path | None,
    threshold: float,
    containing: str,
    *,
    is_json: bool,
) -> None:
    """Run the tests of the bundle at PATH."""
    from gateway.policy_tools import measure_coverage, run_suites, to_junit

    if containing and threshold:
        raise click.UsageError("--coverage is about all tests, and --filter leaves some out; use one of them")
    bundle, schema = open_bundle(path, file)
    results = run_suites(bundle, schema, containing)
    coverage = measure_coverage(bundle, results)
    if junit is not None:
        write_file(junit, to_junit(results))
    if is_json:
        print_json(_results_to_json(bundle, results, coverage, is_partial=bool(containing)))
    else:
        _show_results(results, coverage, is_partial=bool(containing))
    if not results:
        click.echo(_explain_no_cases(bundle, containing), err=bool(containing))
    is_low = coverage.percent < threshold
    if is_low:
        click.echo(f"coverage is {coverage.percent:.1f} %, {threshold:g} % are required", err=True)
    if is_low or not results or not all(result.has_passed for result in results):
        sys.exit(FOUND_FAULTS)


def _explain_no_cases(bundle: Bundle, containing: str) -> str:
    if containing and bundle.suites:
        return f"no test has {containing!r} in its name, in its suite's name or in its file's"
    return "there are no tests; add them to the bundle, as kind: Tests"


def _show_results(results: list[CaseResult], coverage: Coverage, *, is_partial: bool) -> None:
    for result in results:
        click.echo(f"{'passed' if result.has_passed else 'FAILED'}  {result.file}: {result.case}")
        for difference in result.differences:
            click.echo(f"        {difference}")
    failed = sum(not result.has_passed for result in results)
    click.echo(f"{len(results) - failed} passed, {failed} failed")
    reached, wanted = len(coverage.reached), len(coverage.wanted)
    share = (
        f"{reached} of {wanted} ({coverage.percent:.1f} %){', by a part of the tests' if is_partial else ''}"
    )
    click.echo(f"rules, mutations, waivers and bindings covered by tests: {share}")
    for name in () if is_partial else coverage.missed:
        click.echo(f"  no test shows: {name}")


def _results_to_json(
    bundle: Bundle, results: list[CaseResult], coverage: Coverage, *, is_partial: bool
) -> dict[str, Any]:
    cases = [
        {
            "file": result.file,
            "case": result.case,
            "passed": result.has_passed,
            "differences": list(result.differences),
        }
        for result in results
    ]
    covered: dict[str, Any] = {"percent": round(coverage.percent, 1), "missed": coverage.missed}
    if is_partial:
        covered["partial"] = True
    return {"bundle": bundle.hash, "cases": cases, "coverage": covered}
