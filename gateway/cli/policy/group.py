"""The command group `policy`.

Exit codes: 0 success, 1 a check found faults, 2 wrong usage or configuration.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gateway.cli.command_line import (
    FOUND_FAULTS,
    PATH,
    Commands,
    bundle_argument,
    config_option,
    count,
    exit_on_faults,
    fault_to_json,
    find_bundle,
    json_option,
    open_bundle,
    open_schema,
    print_json,
    show_fault,
)
from gateway.cli.policy import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path


@click.group(cls=Commands)
def policy() -> None:
    """Check, test, explain, compare and sign bundles of policies."""


@policy.command()
@bundle_argument
@config_option
@json_option
@exit_on_faults(FOUND_FAULTS)
def check(path: Path | None, file: Path | None, *, is_json: bool) -> None:
    """Check the bundle at PATH: form, types, cost, methods without a policy."""
    from datetime import UTC, datetime

    from gateway.faults import FaultsError
    from gateway.policy_tools import find_absent_caller_fields, find_weaknesses
    from gateway.serving import sources

    config, schema = open_schema(file)
    try:
        bundle = sources.open_bundle(config, schema, find_bundle(config, path), is_trusted=True)
    except FaultsError as error:
        if not is_json:
            raise
        print_json({"bundle": None, "faults": [fault_to_json(one) for one in error.faults], "findings": []})
        sys.exit(FOUND_FAULTS)
    findings = find_weaknesses(bundle, schema, datetime.now(UTC))
    findings += find_absent_caller_fields(bundle, config.callers.fields)
    warnings = [one for one in findings if one.level == "warning"]
    summary = f"{count(bundle.rules, 'rule')} for {count(bundle.programs, 'method')}"
    if is_json:
        shown = [{"level": one.level, **fault_to_json(one.fault)} for one in findings]
        print_json({"bundle": bundle.hash, "faults": [], "findings": shown})
    else:
        for finding in findings:
            show_fault(finding.fault, finding.level, is_error=finding.level == "warning")
        click.echo(f"{bundle.hash}: {summary}, {count(warnings, 'warning') if warnings else 'no faults'}")
    if warnings:
        sys.exit(FOUND_FAULTS)


@policy.command()
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@config_option
@json_option
@click.option("--exit-code", "has_exit_code", is_flag=True, help="End with 1 when there are differences.")
def diff(old: Path, new: Path, file: Path | None, *, is_json: bool, has_exit_code: bool) -> None:
    """Compare the bundle NEW with the bundle OLD."""
    from dataclasses import asdict

    from gateway.policy_tools import compare_bundles

    before, after = (open_bundle(path, file)[0] for path in (old, new))
    differences = compare_bundles(before, after)
    if is_json:
        shown = [asdict(one) for one in differences]
        print_json({"old": before.hash, "new": after.hash, "differences": shown})
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

    print_json(format_schema())


for _command in COMMANDS:
    policy.add_command(_command)
