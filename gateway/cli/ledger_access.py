"""The access of commands to the ledger: options, parameter types, and reading."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.cli.command_line import WrongUsageError, config_option, load_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from gateway.config import Config
    from gateway.ledger.reader import LedgerReader

_Result = TypeVar("_Result")
_AGE = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

ledger_option = click.option("--ledger", "url", help="URL of the ledger; the configuration's without it.")


class Moment(click.ParamType[datetime]):
    """A parameter type for a time in RFC 3339, or an age such as `2h` that means so long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the time. A time without an offset is in UTC."""
        if isinstance(value, datetime):
            return value
        match = _AGE.fullmatch(value)
        if match:
            try:
                return datetime.now(UTC) - timedelta(**{_UNITS[match["unit"]]: int(match["number"])})
            except OverflowError:
                self.fail(f"{value!r} is before the first year", param, ctx)
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a time such as 2026-11-29T12:00:00Z, or an age such as 2h", param, ctx
            )
        return time if time.tzinfo else time.replace(tzinfo=UTC)


MOMENT = Moment()


def open_configuration(url: str | None, file: Path | None) -> tuple[str, Config | None]:
    """Return the URL of the ledger, and the configuration if it was read."""
    if url is not None:
        if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise WrongUsageError("--ledger takes sqlite:///FILE or postgresql://user:password@host/database")
        return url, None
    config = load_configuration(file)
    return config.ledger.url, config


def read_ledger(url: str, read: Callable[[LedgerReader], Coroutine[Any, Any, _Result]]) -> _Result:
    """Open a ledger, and return what a function reads. If the ledger cannot be read, end the command."""
    import asyncio

    from gateway.ledger.reader import LedgerReadError, open_reader

    async def run() -> _Result:
        async with open_reader(url) as reader:
            return await read(reader)

    try:
        return asyncio.run(run())
    except LedgerReadError as error:
        raise WrongUsageError(f"the ledger cannot be read: {error}") from error


def print_line(value: Any) -> None:
    """Print a JSON value on one line."""
    from gateway.quoting import encode_json

    click.echo(encode_json(value).decode())


__all__ = [
    "MOMENT",
    "config_option",
    "ledger_option",
    "open_configuration",
    "print_line",
    "read_ledger",
]
