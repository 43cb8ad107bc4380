"""The commands about policies. Exit codes: 0 fine, 1 a check found faults, 2 wrong usage or configuration."""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.faults import FaultsError
from gateway.masking import escape_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized

    from gateway.config import Config
    from gateway.faults import Fault
    from gateway.policy import Bundle, PolicyInput
    from gateway.policy_tools import CaseResult, Coverage, Replay
    from gateway.policy_tools.replay import Change
    from gateway.schema import Schema

FOUND_FAULTS = 1
WRONG_CONFIGURATION = 2

_CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
_FILE = click.Path(path_type=Path, dir_okay=False)
_PATH = click.Path(path_type=Path, exists=True)

config_option = click.option("--config", "file", type=_FILE, help="Configuration file (YAML).")
bundle_argument = click.argument("path", required=False, type=_PATH)
_bundle_option = click.option(
    "--bundle", "path", type=_PATH, help="The bundle; the configuration's without this option."
)
_json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


@contextmanager
def exit_on_faults(code: int) -> Iterator[None]:
    """Show what is wrong with what was written, and end with the code."""
    try:
        yield
    except FaultsError as error:
        for fault in error.faults:
            click.echo(str(fault), err=True)
        sys.exit(code)


def load_configuration(file: Path | None) -> Config:
    """Return the configuration; faults end the command."""
    from gateway.config import load_config

    with exit_on_faults(WRONG_CONFIGURATION):
        return load_config(file, os.environ)


class Commands(click.Group):
    """Commands that tell, without a traceback, when their output finds no place."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        if sys.stdin is None:  # it was closed, which click does not expect
            sys.stdin = ctx.with_resource(Path(os.devnull).open(encoding="utf-8"))  # noqa: SIM115 - the context closes it
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads has seen enough; click knows what to do
                raise
            # What is left in the buffer cannot be written either, when the process ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            where = f" of {error.filename}" if error.filename else ""
            raise _WrongUsageError(f"reading or writing{where} failed: {error.strerror}") from error


class _WrongUsageError(click.ClickException):
    exit_code = WRONG_CONFIGURATION


@click.group(cls=Commands)
def policy() -> None:
    """Check, test, explain, compare and sign bundles of policies."""


@policy.command()
@bundle_argument
@config_option
@_json_option
@exit_on_faults(FOUND_FAULTS)
def check(path: Path | None, file: Path | None, *, is_json: bool) -> None:
    """Check the bundle at PATH: its form, its types, what it leaves open."""
    from datetime import UTC, datetime

    from gateway.policy_tools import find_weaknesses
    from gateway.sources import open_bundle

    config, schema = _open_schema(file)
    try:
        bundle = open_bundle(config, schema, find_bundle(config, path), is_trusted=True)
    except FaultsError as error:
        if not is_json:
            raise
        _print_json({"bundle": None, "faults": [_fault_to_json(one) for one in error.faults], "findings": []})
        sys.exit(FOUND_FAULTS)
    findings = find_weaknesses(bundle, schema, datetime.now(UTC))
    warnings = [one for one in findings if one.level == "warning"]
    summary = f"{_count(bundle.rules, 'rule')} for {_count(bundle.programs, 'method')}"
    if is_json:
        told = [{"level": one.level, **_fault_to_json(one.fault)} for one in findings]
        _print_json({"bundle": bundle.hash, "faults": [], "findings": told})
    else:
        for finding in findings:
            click.echo(str(finding), err=finding.level == "warning")
        click.echo(f"{bundle.hash}: {summary}, {_count(warnings, 'warning') if warnings else 'no faults'}")
    if warnings:
        sys.exit(FOUND_FAULTS)


@policy.command()
@bundle_argument
@config_option
@_json_option
@click.option("--junit", "junit", type=_FILE, help="Write a JUnit report here.")
@click.option(
    "--coverage",
    "threshold",
    type=click.FloatRange(0, 100),
    default=0,
    show_default=True,
    help="Percent of rules, mutations, waivers and bindings that tests have to show at work.",
)
def test(
    path: Path | None, file: Path | None, junit: Path | None, threshold: float, *, is_json: bool
) -> None:
    """Run the tests of the bundle at PATH."""
    from gateway.policy_tools import measure_coverage, run_suites, to_junit

    bundle, schema = _open_bundle(path, file)
    results = run_suites(bundle, schema)
    coverage = measure_coverage(bundle, results)
    if junit is not None:
        write_file(junit, to_junit(results))
    if is_json:
        _print_json(_results_to_json(bundle, results, coverage))
    else:
        _show_results(results, coverage)
    is_low = coverage.percent < threshold
    if is_low:
        click.echo(f"coverage is {coverage.percent:.1f} %, {threshold:g} % are asked for", err=True)
    if is_low or not results or not all(result.has_passed for result in results):
        sys.exit(FOUND_FAULTS)


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _show_results(results: list[CaseResult], coverage: Coverage) -> None:
    for result in results:
        click.echo(f"{'passed' if result.has_passed else 'FAILED'}  {result.file}: {result.case}")
        for difference in result.differences:
            click.echo(f"        {difference}")
    failed = sum(not result.has_passed for result in results)
    click.echo(f"{len(results) - failed} passed, {failed} failed")
    if not results:
        click.echo("there are no tests; put them beside the bundle, as kind: Tests")
    reached, wanted = len(coverage.reached), len(coverage.wanted)
    share = f"{reached} of {wanted} ({coverage.percent:.1f} %)"
    click.echo(f"rules, mutations, waivers and bindings shown at work: {share}")
    for name in coverage.missed:
        click.echo(f"  no test shows: {name}")


def _results_to_json(bundle: Bundle, results: list[CaseResult], coverage: Coverage) -> dict[str, Any]:
    cases = [
        {
            "file": result.file,
            "case": result.case,
            "passed": result.has_passed,
            "differences": list(result.differences),
        }
        for result in results
    ]
    covered = {"percent": round(coverage.percent, 1), "missed": coverage.missed}
    return {"bundle": bundle.hash, "cases": cases, "coverage": covered}


@policy.command()
@click.argument("request_file", metavar="[REQUEST]", default="-", type=click.File(encoding="utf-8"))
@_bundle_option
@config_option
@_json_option
@click.option("--method", default=_CREATE, show_default=True, help="Full name of the method.")
@click.option("--now", help="The time that rules see, with its zone; the present without this option.")
def explain(
    request_file: Any, path: Path | None, file: Path | None, method: str, now: str | None, *, is_json: bool
) -> None:
    """Tell why a request is decided as it is.

    REQUEST is a file, or - for standard input: the request in JSON or YAML as a client sends it, or an
    object with the keys request, method, caller and now.
    """
    from gateway.policy import Decider
    from gateway.policy_tools import explain, explanation_to_json, explanation_to_text

    bundle, schema = _open_bundle(path, file)
    asked = _read_question(request_file, schema, method, now)
    explanation = explain(Decider(bundle), asked, schema)
    if is_json:
        _print_json(explanation_to_json(explanation))
    else:
        click.echo(explanation_to_text(explanation), nl=False)


def _read_question(request_file: Any, schema: Schema, method: str, now: str | None) -> PolicyInput:
    from gateway.policy import read_question

    try:
        text = request_file.read()
    except UnicodeDecodeError as error:
        raise click.UsageError("the request is not UTF-8 text") from error
    with exit_on_faults(WRONG_CONFIGURATION):
        return read_question(text, request_file.name, schema, method, now)


@policy.command()
@click.argument("records", type=click.File(encoding="utf-8", errors="replace"))
@_bundle_option
@config_option
@_json_option
@click.option(
    "--examples", type=click.IntRange(0), default=10, show_default=True, help="How many changes to show."
)
def replay(records: Any, path: Path | None, file: Path | None, examples: int, *, is_json: bool) -> None:
    """Judge recorded decisions again, by another bundle.

    RECORDS is a decision log (JSON lines), or - for standard input. Ends with 1 when a decision would
    change, or could not be judged again.
    """
    from dataclasses import asdict

    from gateway.policy_tools import replay

    bundle, schema = _open_bundle(path, file)
    result = replay(records, bundle, schema)
    if is_json:
        _print_json({"bundle": bundle.hash, "changed": len(result.changes), **asdict(result)})
    else:
        _show_replay(result, examples)
    if not result.replayed and not result.unreadable:
        click.echo("there are no records of decisions here", err=True)
        sys.exit(WRONG_CONFIGURATION)
    if result.changes or result.unreadable:
        sys.exit(FOUND_FAULTS)


def _show_replay(result: Replay, examples: int) -> None:
    click.echo(f"{result.replayed} decisions judged again, {len(result.changes)} would change")
    for kind, count in result.kinds.most_common():
        click.echo(f"  {count:>6}  {kind}")
    for rule, count in result.rules.most_common():
        click.echo(f"  {count:>6}  {rule}")
    for change in result.changes[:examples]:
        _show_change(change)
    if result.passed_over:
        click.echo(f"lines passed over, which are no records of decisions: {result.passed_over}")
    for fault in result.unreadable[:examples]:
        click.echo(fault, err=True)
    if result.unreadable:
        click.echo(f"records that could not be judged again: {len(result.unreadable)}", err=True)


def _show_change(change: Change) -> None:
    click.echo(f"\n{change.id}  {change.method.rpartition('.')[2]}: {change.before}, would be {change.after}")
    for rule, told in change.newly_broken.items():
        click.echo(f"  + {rule}: {told}")
    for rule in change.newly_met:
        click.echo(f"  - {rule}")
    for field, values in change.set_otherwise.items():
        click.echo(f"  ~ {field}: {values}")
    if change.is_altered:
        click.echo("  (the record hides parts of the request; the difference may come from that)")


@policy.command()
@click.argument("old", type=_PATH)
@click.argument("new", type=_PATH)
@config_option
@_json_option
@click.option("--exit-code", "has_exit_code", is_flag=True, help="End with 1 when there are differences.")
def diff(old: Path, new: Path, file: Path | None, *, is_json: bool, has_exit_code: bool) -> None:
    """Show what the bundle NEW says otherwise than the bundle OLD."""
    from dataclasses import asdict

    from gateway.policy_tools import compare_bundles

    before, after = (_open_bundle(path, file)[0] for path in (old, new))
    differences = compare_bundles(before, after)
    if is_json:
        told = [asdict(one) for one in differences]
        _print_json({"old": before.hash, "new": after.hash, "differences": told})
    else:
        click.echo(f"--- {old} {before.hash}\n+++ {new} {after.hash}")
        for one in differences:
            values = [value for value in (one.before, one.after) if value]
            click.echo(f"{one.sign} {one.what}{': ' if values else ''}{' → '.join(values)}")
        if not differences:
            click.echo("no differences")
    if differences and has_exit_code:
        sys.exit(FOUND_FAULTS)


@policy.command()
def schema() -> None:
    """Print the JSON Schema of a bundle's documents, for editors."""
    from gateway.policy_tools import format_schema

    _print_json(format_schema())


def _open_schema(file: Path | None) -> tuple[Config, Schema]:
    from gateway.sources import open_schema

    config = load_configuration(file)
    with exit_on_faults(WRONG_CONFIGURATION):
        return config, open_schema(config)


def _open_bundle(path: Path | None, file: Path | None) -> tuple[Bundle, Schema]:
    from gateway.sources import open_bundle

    config, schema = _open_schema(file)
    bundle = find_bundle(config, path)
    with exit_on_faults(FOUND_FAULTS):
        return open_bundle(config, schema, bundle), schema


def find_bundle(config: Config, path: Path | None) -> Path:
    """Return where the bundle is; that there is none ends the command."""
    bundle = path or config.policies.path
    if not bundle.exists():
        raise _WrongUsageError(
            f"there is no bundle at {bundle}, where policies.path of the configuration points"
        )
    return bundle


def _fault_to_json(fault: Fault) -> dict[str, Any]:
    position = fault.position
    return {
        "file": position.file,
        "line": position.line,
        "column": position.column,
        "key": fault.key,
        "message": fault.message,
    }


def write_file(path: Path, text: str) -> None:
    """Write a file; that it cannot be written ends the command."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _WrongUsageError(f"{path} cannot be written: {error.strerror}") from error


def _print_json(value: Any) -> None:
    click.echo(escape_json(json.dumps(value, ensure_ascii=False, indent=2, default=str)))
