"""The commands that list calls, and that show the story of one call."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_line import FOUND_FAULTS, WrongUsageError, json_option
from gateway.cli.ledger_access import (
    MOMENT,
    config_option,
    ledger_option,
    open_configuration,
    print_line,
    read_ledger,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUTCOMES = ("denied", "invalid", "refused", "pending", "ok", "error", "unknown")


@click.command("list")
@config_option
@ledger_option
@json_option
@click.option("--since", type=MOMENT, help="Earliest time (RFC 3339), or an age such as 2h.")
@click.option("--until", type=MOMENT, help="Latest time, or an age.")
@click.option("--caller", help="ID of the caller.")
@click.option("--folder", help="ID of the folder.")
@click.option("--method", help="Full name of the method, or its last part such as Create.")
@click.option("--decision", type=click.Choice(["allow", "deny", "none"]), help="Decision of the policies.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Outcome of the call.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the request; repeatable."
)
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="Newest calls; 0: all.")
def list_calls(
    file: Path | None, url: str | None, labels: tuple[str, ...], *, is_json: bool, **conditions: Any
) -> None:
    """List calls, oldest first. With --json, each line is one JSON object."""
    from gateway.ledger import queries

    wanted = queries.CallFilter(labels=dict(map(_parse_label, labels)), **conditions)
    address, _ = open_configuration(url, file)
    calls = read_ledger(address, partial(queries.list_calls, wanted=wanted))
    if is_json:
        for call in calls:
            print_line(call)
    else:
        _print_table(calls)


def _parse_label(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise WrongUsageError(f"--label takes KEY=VALUE, not {text!r}")
    return key, value


def _print_table(calls: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("TIME", "CALL", "CALLER", "METHOD", "FOLDER", "NAME", "DECISION", "OUTCOME", "RESOURCE"):
        table.add_column(title, overflow="fold")
    for call in calls:
        outcome = call["outcome"] if call["outcome"] in {"ok", "pending"} else _outcome(call)
        cells = (
            call["time"][:19],
            call["call_id"],
            call["caller"]["id"] or call["caller"]["address"],
            call["method"].rpartition(".")[2],
            call["folder_id"],
            call["name"],
            call["decision"],
            outcome,
            call["resource_id"],
        )
        table.add_row(*(Text(str(cell or "")) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console = Console(width=400)
    console.print(table)


def _outcome(call: dict[str, Any]) -> str:
    return f"{call['outcome']} {call['code'] or ''}".strip()


@click.command()
@click.argument("key", metavar="ID")
@config_option
@ledger_option
@json_option
def show(key: str, file: Path | None, url: str | None, *, is_json: bool) -> None:
    """Show the whole story of a call. ID is a request, decision, operation or image ID."""
    from gateway.ledger import queries

    address, _ = open_configuration(url, file)
    calls = read_ledger(address, partial(queries.find_calls, key=key))
    if not calls:
        click.echo(f"no call in the ledger has the ID {key!r}", err=True)
        sys.exit(FOUND_FAULTS)
    for call in calls:
        if is_json:
            print_line(call)
        else:
            click.echo("\n".join(_story(call)))


def _story(call: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that describe a call: its facts, and its events with the time since the first one."""
    yield f"call {call['call_id']}"
    for name, value in call.items():
        if name not in {"events", "call_id", "labels"} and value not in (None, "", {}):
            yield f"  {name:<16} {_caller(value) if name == 'caller' else value}"
    labels = ", ".join(f"{key}={value}" for key, value in call["labels"].items())
    if labels:
        yield f"  {'labels':<16} {labels}"
    yield "  timeline"
    times = [datetime.fromisoformat(event["time"]) for event in call["events"]]
    for event, time in zip(call["events"], times, strict=True):
        passed = (time - times[0]).total_seconds()
        yield f"    +{passed:.6f} s  {describe_event(event)}"
    yield ""


def _caller(caller: dict[str, Any]) -> str:
    return " ".join(part for part in (caller["kind"], caller["id"], caller["address"]) if part)


def describe_event(event: dict[str, Any]) -> str:
    """Return a text that describes an event on one line."""
    kind = event["kind"]
    if kind == "decision":
        broken = [f"{one['action']} {one['policy']}/{one['rule']}" for one in event["violations"]]
        intent = ", intent committed" if "intent" in event else ""
        repeats = f", repeats {event['repeats']}" if event.get("repeats") else ""
        observed = _describe_observed(event)
        return (
            f"decision {event['decision']}{''.join(f', {one}' for one in broken)}{observed}{intent}{repeats}"
        )
    if kind == "call":
        ended = "invalid" if event["outcome"] == "pending" else f"{event['outcome']} {event['code']}"
        return f"{ended}: {event['message']}{_describe_observed(event)}"
    if kind == "attempt":
        return f"attempt {event['attempt']} failed with {event['code']}: {event['message']}"
    parts = [kind, event.get("outcome", ""), event.get("code", "")]
    parts += [f"by {event['by']}"] if "by" in event else []
    operation = event.get("operation")
    if operation:
        parts.append(f"operation {operation['id']} {'done' if operation.get('done') else 'running'}")
        parts.append(operation.get("code") or "")
    resource = (operation or {}).get("resource") or event.get("resource") or {}
    parts += [f"{name} {value}" for name, value in resource.items() if name != "name"]
    parts += [event[name] for name in ("message", "reason") if event.get(name)]
    return " ".join(part for part in parts if part)


def _describe_observed(event: dict[str, Any]) -> str:
    """Return what was observed about a call in the mode `observe`; empty in the mode `enforce`."""
    if event.get("mode") != "observe":
        return ""
    shown = [f"{one['effect']} {one.get('reason', '')}".strip() for one in event.get("observed", [])]
    return f", observed{': ' if shown else ''}{', '.join(shown)}"
