"""The command that verifies the ledger."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from gateway.cli.command_line import FILE, FOUND_FAULTS, WrongUsageError, json_option
from gateway.cli.ledger_access import (
    config_option,
    ledger_option,
    open_configuration,
    print_line,
    read_ledger,
)
from gateway.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.config import Config
    from gateway.ledger.verification import Verification
    from gateway.tlog import Verifier

DEFAULT_ORIGIN = "baremetal-gateway/ledger"


@click.command()
@config_option
@ledger_option
@json_option
@click.option(
    "--public-key", "keys", type=FILE, multiple=True, help="PEM file of a public key that signed checkpoints."
)
@click.option("--checkpoints", "paths", type=FILE, multiple=True, help="File of checkpoints kept outside.")
@click.option("--origin", help=f"Name of the ledger in checkpoints; {DEFAULT_ORIGIN} without it.")
def verify(
    file: Path | None,
    url: str | None,
    keys: tuple[Path, ...],
    paths: tuple[Path, ...],
    origin: str | None,
    *,
    is_json: bool,
) -> None:
    """Verify that no event was changed, removed or reordered. Ends with 1 when something does not hold."""
    from gateway.ledger import verification
    from gateway.tlog import read_checkpoints

    address, config = open_configuration(url, file)
    notes = [note for path in _checkpoint_files(paths, config) for note in read_checkpoints(_read(path))]
    verifiers = _load_verifiers(keys, config, origin)
    with ProgressBar("verifying events") as bar:
        verify_all = partial(verification.verify, verifiers=verifiers, outside=notes, on_progress=bar.set)
        result = read_ledger(address, verify_all)
    if is_json:
        print_line(_to_json(result, is_signed=bool(verifiers)))
    else:
        _print(result, is_signed=bool(verifiers))
    if not result.holds:
        sys.exit(FOUND_FAULTS)


def _checkpoint_files(paths: tuple[Path, ...], config: Config | None) -> tuple[Path, ...]:
    if paths or config is None or config.ledger.checkpoints is None:
        return paths
    if not config.ledger.checkpoints.exists():
        raise WrongUsageError(f"{config.ledger.checkpoints}: the file of ledger.checkpoints does not exist")
    return (config.ledger.checkpoints,)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise WrongUsageError(f"{path} cannot be read: {error.strerror}") from error


def _load_verifiers(keys: tuple[Path, ...], config: Config | None, origin: str | None) -> list[Verifier]:
    """Return the keys that verify checkpoints: the given ones, or that of the configured signing key."""
    from gateway.tlog import Signer, Verifier

    name = origin or (config.ledger.origin if config else DEFAULT_ORIGIN)
    if keys:
        return [_load(key, lambda data: Verifier.load(data, name)) for key in keys]
    if config is None or config.ledger.signing_key is None:
        return []
    return [_load(config.ledger.signing_key, lambda data: Signer.load(data, name).verifier)]


def _load(key: Path, load: Callable[[bytes], Verifier]) -> Verifier:
    try:
        return load(_read(key).encode())
    except ValueError as error:
        raise WrongUsageError(f"{key}: {error}") from error


def _to_json(result: Verification, *, is_signed: bool) -> dict[str, object]:
    return {
        "holds": result.holds,
        "events": result.events,
        "size": result.size,
        "removed_by_retention": result.pruned,
        "checkpoints": result.checkpoints,
        "signatures_checked": is_signed,
        "covered": result.covered,
        "not_covered": result.uncovered,
        "findings": result.findings,
    }


def _print(result: Verification, *, is_signed: bool) -> None:
    for finding in result.findings:
        click.echo(click.style("FAULT  ", fg="red") + finding)
    click.echo(f"{result.events} events read, {result.pruned} removed by retention")
    signed = "signatures checked" if is_signed else "signatures not checked: no key was given"
    click.echo(f"{result.checkpoints} checkpoints hold ({signed})")
    if result.uncovered:
        click.echo(f"{result.uncovered} events after the last checkpoint are not covered by one")
    click.echo("the ledger holds" if result.holds else "the ledger does not hold")
