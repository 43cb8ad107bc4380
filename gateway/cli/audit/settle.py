"""The command that settles a call whose outcome the gateway cannot find out."""

from __future__ import annotations

import getpass
import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from gateway.cli.command_line import FOUND_FAULTS, WrongUsageError
from gateway.cli.ledger_access import config_option, ledger_option, open_configuration, read_ledger

if TYPE_CHECKING:
    from gateway.config import Config

WAIT_S = 10.0
"""The time in which a running gateway must carry out the request, in seconds."""


@click.command()
@click.argument("key", metavar="ID")
@click.option("--outcome", type=click.Choice(["ok", "error"]), required=True, help="What came of the change.")
@click.option("--reason", required=True, help="How you know it; it is recorded.")
@config_option
@ledger_option
def settle(
    key: str, outcome: Literal["ok", "error"], reason: str, file: Path | None, url: str | None
) -> None:
    """Record the outcome of a change that the gateway cannot find out. ID is a call or request ID."""
    address, config = open_configuration(url, file)
    from gateway.ledger.manual_settlement import MAX_REASON
    from gateway.redaction import redact_text

    shown = redact_text(reason)[:MAX_REASON]  # a request has a limited size
    request = {"settle": key, "outcome": outcome, "reason": shown, "user": _user()}
    if address.startswith("sqlite:///"):
        _settle_file(Path(address.removeprefix("sqlite:///")), address, request)
    else:
        _settle_directly(address, config, request)
    click.echo(f"{key}: {outcome}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run with a user ID that has no name
        return f"uid {os.getuid()}"


def _settle_file(path: Path, address: str, request: dict[str, str]) -> None:
    """Settle a call in an SQLite file: directly, or through the gateway that uses the file."""
    from gateway.ledger.batch import StoreFormatError

    _require_open(address, request["settle"])
    try:
        _settle_directly(address, None, request)
    except StoreFormatError:
        _settle_by_gateway(path, address, request)


def _require_open(address: str, key: str) -> None:
    from gateway.ledger import queries

    calls = read_ledger(address, partial(queries.find_calls, key=key))
    if not any(call["outcome"] in {"pending", "unknown"} for call in calls):
        click.echo(f"no call {key!r} is without a known outcome", err=True)
        sys.exit(FOUND_FAULTS)


def _settle_by_gateway(path: Path, address: str, request: dict[str, str]) -> None:
    from gateway.ledger import queries
    from gateway.ledger.requests import write_request

    try:
        file = write_request(path, request)
    except OSError as error:
        raise WrongUsageError(f"the request to the gateway cannot be written: {error}") from error
    give_up_at = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_at:
        calls = read_ledger(address, partial(queries.find_calls, key=request["settle"]))
        if any(_is_settled(call, request) for call in calls):
            return
        time.sleep(0.2)
    with suppress(OSError):
        file.unlink()
    raise WrongUsageError("the gateway that uses the ledger has not carried out the request; see its log")


def _is_settled(call: dict[str, Any], request: dict[str, str]) -> bool:
    events = call["events"]
    by = events[-1].get("by") if events else None
    return bool(call["outcome"] == request["outcome"] and by == "operator")


def _settle_directly(address: str, config: Config | None, request: dict[str, str]) -> None:
    import asyncio

    from pydantic import ValidationError

    from gateway.config.ledger import LedgerSection
    from gateway.ledger.batch import EntryError, StoreError, StoreFormatError
    from gateway.ledger.manual_settlement import SettlementError, settle_now
    from gateway.ledger.service import open_store
    from gateway.ledger.work import Work

    try:
        section = config.ledger if config else LedgerSection(url=address)
    except ValidationError:  # its text holds the password
        raise WrongUsageError("the URL of the ledger is malformed") from None

    async def run() -> bool:
        store = open_store(section)
        try:
            await store.open()
            return await settle_now(
                store,
                Work(store, ""),
                request["settle"],
                request["outcome"],
                reason=request["reason"],
                user=request["user"],
            )
        finally:
            await store.close()

    try:
        is_settled = asyncio.run(run())
    except (SettlementError, EntryError) as error:
        click.echo(str(error), err=True)
        sys.exit(FOUND_FAULTS)
    except StoreError as error:
        raise WrongUsageError(f"the ledger cannot be written: {error.reason}") from error
    except StoreFormatError as error:
        if address.startswith("sqlite:///"):
            raise  # another gateway uses the file
        raise WrongUsageError(f"the ledger {error}") from error
    if not is_settled:
        raise WrongUsageError("the call was settled in the meantime")
