"""The command that exports the events of the ledger."""

from __future__ import annotations

import csv
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_line import WrongUsageError
from gateway.cli.ledger_access import config_option, ledger_option, open_configuration, read_ledger
from gateway.cli.progress import ProgressBar

if TYPE_CHECKING:
    from sqlalchemy import Table

    from gateway.ledger.reader import LedgerReader

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@config_option
@ledger_option
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--tiles", type=_FOLDER, help="Write the log as tlog-tiles into this folder instead.")
def export(file: Path | None, url: str | None, form: str, tiles: Path | None) -> None:
    """Export all events as JSON lines, the calls as CSV, or the log as tiles that others can verify."""
    address, _ = open_configuration(url, file)
    with ProgressBar("exporting", streams_output=tiles is None) as bar:
        if tiles is None:
            write = _write_csv if form == "csv" else _write_lines
            read_ledger(address, partial(write, bar=bar))
            return
        size = read_ledger(address, partial(_write_tiles, folder=tiles, bar=bar))
    click.echo(f"{size} events written to {tiles}", err=True)


async def _write_lines(reader: LedgerReader, bar: ProgressBar) -> None:
    from sqlalchemy import select

    from gateway.ledger.tables import events

    await _count_rows(reader, events, bar)
    async for seq, body in reader.stream(select(events.c.seq, events.c.body).order_by(events.c.seq)):
        click.echo(f'{{"seq":{seq},{body[1:]}')
        bar.done += 1


async def _count_rows(reader: LedgerReader, table: Table, bar: ProgressBar) -> None:
    """Set the total of a progress bar to the number of rows, which takes time for a large table."""
    from sqlalchemy import func, select

    from gateway.ledger.reader import fetch

    if bar.is_shown:
        ((bar.total,),) = await fetch(reader, select(func.count()).select_from(table))


async def _write_csv(reader: LedgerReader, bar: ProgressBar) -> None:
    from sqlalchemy import select

    from gateway.ledger.queries import SHOWN, to_shown
    from gateway.ledger.tables import calls

    await _count_rows(reader, calls, bar)
    writer: Any = None
    query = select(*(calls.c[name] for name in SHOWN)).order_by(calls.c.seq)
    async for row in reader.stream(query):
        call = to_shown(dict(zip(SHOWN, row, strict=True)))
        call["caller"] = call["caller"]["id"] or call["caller"]["address"]
        call["labels"] = " ".join(f"{key}={value}" for key, value in call["labels"].items())
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(call))
            writer.writeheader()
        writer.writerow({name: _to_cell(value) for name, value in call.items()})
        bar.done += 1


def _to_cell(value: Any) -> Any:
    """Return a value that a spreadsheet shows as a text, and does not evaluate as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


async def _write_tiles(reader: LedgerReader, folder: Path, bar: ProgressBar) -> int:
    """Write the log as tiles, and return the number of its events."""
    from sqlalchemy import select

    from gateway.ledger.reader import fetch
    from gateway.ledger.tables import checkpoints, events, tree
    from gateway.ledger.tree import entry_of
    from gateway.tlog import make_log_files, parse_checkpoint, write_tiles

    ((pruned,),) = await fetch(reader, select(tree.c.pruned))
    if pruned:
        raise WrongUsageError(f"tiles need all entries, but retention has removed {pruned} events")
    newest = select(checkpoints.c.size, checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    found = await fetch(reader, newest)
    if not found:
        raise WrongUsageError("there is no checkpoint yet; the gateway makes one at each stop")
    ((size, note),) = found
    query = select(events.c.body).where(events.c.seq < size).order_by(events.c.seq)
    bar.total = 2 * size  # each event is read and written
    entries = []
    async for (body,) in reader.stream(query):
        entries.append(entry_of(body))
        bar.done += 1

    def make_checkpoint(count: int, root: bytes) -> str:
        signed: str = note
        expected = parse_checkpoint(signed.partition("\n\n")[0].rstrip("\n") + "\n")
        if (expected.size, expected.root) != (count, root):
            raise WrongUsageError("the events do not match the newest checkpoint; run audit verify")
        return signed

    try:
        write_tiles(folder, make_log_files(bar.count(entries), make_checkpoint))
    except ValueError as error:
        raise WrongUsageError(str(error)) from error
    return int(size)
