"""The command that evaluates recorded decisions with another bundle."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_line import (
    FOUND_FAULTS,
    WRONG_CONFIGURATION,
    bundle_option,
    config_option,
    json_option,
    open_bundle,
    print_json,
)
from gateway.cli.ledger_access import open_configuration, read_ledger
from gateway.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.policy_tools import Replay
    from gateway.policy_tools.replay import Change


@click.command()
@click.argument("records", required=False, type=click.File(encoding="utf-8", errors="replace"))
@click.option("--ledger", "url", help="URL of a ledger to read instead of RECORDS.")
@bundle_option
@config_option
@json_option
@click.option(
    "--examples", type=click.IntRange(0), default=10, show_default=True, help="How many changes to show."
)
def replay(
    records: Any, url: str | None, path: Path | None, file: Path | None, examples: int, *, is_json: bool
) -> None:
    """Evaluate recorded decisions with another bundle.

    RECORDS is a decision log (JSON lines), or - for standard input. Without RECORDS, the decisions are read
    from the ledger. Ends with 1 when a decision would change, or could not be evaluated.
    """
    from dataclasses import asdict

    from gateway.policy_tools import replay

    bundle, schema = open_bundle(path, file)
    address = None if records else open_configuration(url, file)[0]
    with ProgressBar("evaluating decisions") as bar:
        lines = _count_bytes(records, bar) if address is None else _count_lines(_read_decisions(address), bar)
        result = replay(lines, bundle, schema)
    if is_json:
        print_json({"bundle": bundle.hash, "changed": len(result.changes), **asdict(result)})
    else:
        _show_replay(result, examples)
    if not result.replayed and not result.unreadable:
        click.echo("there are no records of decisions here", err=True)
        sys.exit(WRONG_CONFIGURATION)
    if result.changes or result.unreadable:
        sys.exit(FOUND_FAULTS)


def _read_decisions(address: str) -> list[str]:
    """Return the records of all decisions in a ledger."""
    from gateway.ledger.queries import list_decisions

    return read_ledger(address, list_decisions)


def _count_lines(lines: list[str], bar: ProgressBar) -> Iterator[str]:
    bar.total = len(lines)
    return bar.count(lines)


def _count_bytes(file: Any, bar: ProgressBar) -> Iterator[str]:
    """Yield the lines of a file. The total is the size of the file, if it has one."""
    if not bar.is_shown:
        yield from file
        return
    bar.total = _size_of(file)
    for line in file:
        yield line
        bar.done += len(line.encode(errors="replace"))


def _size_of(file: Any) -> int | None:
    try:
        found = os.fstat(file.fileno())
    except OSError:  # not a file of the system
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _show_replay(result: Replay, examples: int) -> None:
    click.echo(f"{result.replayed} decisions evaluated, {len(result.changes)} would change")
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
        click.echo(f"records that could not be evaluated: {len(result.unreadable)}", err=True)


def _show_change(change: Change) -> None:
    click.echo(f"\n{change.id}  {change.method.rpartition('.')[2]}: {change.before}, would be {change.after}")
    for rule, count in change.newly_broken.items():
        click.echo(f"  + {rule}: {count}")
    for rule in change.newly_met:
        click.echo(f"  - {rule}")
    for field, values in change.set_otherwise.items():
        click.echo(f"  ~ {field}: {values}")
    if change.is_altered:
        click.echo("  (the record hides parts of the request; the difference may come from that)")
