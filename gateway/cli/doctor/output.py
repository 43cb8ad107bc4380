"""Prints the results: a table on a terminal, otherwise lines, or JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gateway.cli.doctor.report import CheckStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.cli.doctor.report import CheckResult

_STYLES = {CheckStatus.OK: "green", CheckStatus.FINDING: "bold red", CheckStatus.SKIPPED: "dim"}


def print_results(results: Sequence[CheckResult], *, is_json: bool) -> None:
    """Print results, and how many of them are findings."""
    if is_json:
        _print_objects(results)
        return
    if sys.stdout.isatty():
        _print_table(results)
    else:
        _print_lines(results)
    count = sum(one.status is CheckStatus.FINDING for one in results)
    click.echo(f"{count or 'no'} finding{'' if count == 1 else 's'}")


def _print_objects(results: Sequence[CheckResult]) -> None:
    from gateway.quoting import encode_json

    for one in results:
        click.echo(encode_json(one.to_json()).decode())


def _print_lines(results: Sequence[CheckResult]) -> None:
    for one in results:
        click.echo(f"{one.status}: {one.check}: {one.subject}: {one.message}")
        if one.fix:
            click.echo(f"  fix: {one.fix}")


def _print_table(results: Sequence[CheckResult]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("STATUS", "CHECK", "SUBJECT", "RESULT"):
        table.add_column(title, overflow="fold")
    for one in results:
        message = Text(one.message)
        if one.fix:
            message.append(f"\nfix: {one.fix}", style="yellow")
        style = _STYLES[one.status]
        table.add_row(Text(one.status, style=style), Text(one.check), Text(one.subject), message)
    Console().print(table)
