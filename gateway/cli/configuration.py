"""The command group `config`.

Exit codes: 0 success, 1 the check found faults, 2 wrong usage; `config show` also ends with 2 if the
configuration has faults.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_line import (
    FOUND_FAULTS,
    WRONG_CONFIGURATION,
    Commands,
    config_option,
    exit_on_faults,
    fault_to_json,
    import_telemetry,
    json_option,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from logging import LogRecord
    from pathlib import Path

    from gateway.config.effective import EffectiveValue


@click.group(cls=Commands)
def config() -> None:
    """Check the configuration, or show where each value comes from."""


@config.command()
@config_option
@json_option
@exit_on_faults(FOUND_FAULTS)
def check(file: Path | None, *, is_json: bool) -> None:
    """Check the configuration and the files that it names. Nothing is started, written or connected.

    All faults are reported at once: those of the keys and the variables, or, if there are none, those of
    certificates, keys, descriptor sets, bundles, the ledger's file and the decision log's. Ends with 1 when
    there are faults.
    """
    import_telemetry()
    from gateway.faults import FaultsError

    try:
        with _showing_warnings():
            _check(file)
    except FaultsError as error:
        if not is_json:
            raise
        print_json({"faults": [fault_to_json(fault) for fault in error.faults]})
        sys.exit(FOUND_FAULTS)
    if is_json:
        print_json({"faults": []})
    else:
        click.echo(f"{file or 'configuration'}: no faults")


def _check(file: Path | None) -> None:
    """Check the configuration.

    Raises:
        FaultsError: there are faults.
    """
    import asyncio

    from gateway import app
    from gateway.config import load_config
    from gateway.faults import FaultCollector
    from gateway.telemetry import find_variable_faults

    faults = FaultCollector()
    for fault in find_variable_faults(os.environ):
        faults.add(fault)
    with faults.part():
        loaded = load_config(file, os.environ)
        asyncio.run(app.check(loaded))
    faults.check()


@contextmanager
def _showing_warnings() -> Iterator[None]:
    """Show what a start would log as a warning."""
    import logging

    handler = logging.Handler(logging.WARNING)
    handler.emit = _show_warning  # type: ignore[method-assign]
    logger = logging.getLogger("gateway")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _show_warning(record: LogRecord) -> None:
    level = click.style(record.levelname.lower(), fg="yellow", bold=True)
    click.echo(f"{level}: {record.getMessage()}", err=True)
    for fault in getattr(record, "faults", ()):
        click.echo(f"  {fault}", err=True)


@config.command()
@config_option
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object on each line.")
def show(file: Path | None, *, is_json: bool) -> None:
    """Show each effective value, and where it comes from.

    The source of a value is `default`, the file and the line, or the environment variable. Passwords and
    tokens are shown as ***.
    """
    from gateway.config.effective import list_values
    from gateway.config.load import load_with_origins

    with exit_on_faults(WRONG_CONFIGURATION):
        values = list_values(*load_with_origins(file, os.environ))
    if is_json:
        _print_objects(values)
    elif sys.stdout.isatty():
        _print_table(values)
    else:
        for one in values:
            click.echo(f"{one.key} = {_to_yaml(one.value)}  # {one.source}")


def _print_objects(values: Iterable[EffectiveValue]) -> None:
    from gateway.quoting import encode_json

    for one in values:
        line = encode_json({"key": one.key, "value": one.value, "source": one.source})
        click.echo(line.decode())


def _print_table(values: Iterable[EffectiveValue]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gateway.config.origins import DEFAULT

    table = Table(box=None, pad_edge=False)
    for title in ("KEY", "VALUE", "SOURCE"):
        table.add_column(title, overflow="fold")
    for one in values:
        cells = (one.key, _to_yaml(one.value), one.source)
        table.add_row(*map(Text, cells), style="dim" if one.source == DEFAULT else "")
    Console().print(table)


def _to_yaml(value: Any) -> str:
    """Return a value on one line, as the file can contain it. A text has quotes only if it needs them."""
    from gateway.quoting import encode_json

    if isinstance(value, str) and _is_plain(value):
        return value
    return encode_json(value).decode()


def _is_plain(text: str) -> bool:
    """Return whether YAML reads a text without quotes as the same text."""
    from gateway.documents import load_documents
    from gateway.faults import FaultsError

    try:
        return text.isprintable() and [one.value for one in load_documents(text, "")] == [text]
    except FaultsError:
        return False
