"""The command `policy init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.command_line import WrongUsageError, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write a starter bundle into DIR: policies with comments, and their tests.

    No file is overwritten: when one of the files already exists, nothing is written.
    """
    from importlib import resources

    files = dict(_files(resources.files("gateway.cli.policy") / "starter_bundle"))
    taken = [str(path) for name in files if (path := folder / name).exists() or path.is_symlink()]
    if taken:
        raise WrongUsageError(f"nothing is written, because these files already exist: {', '.join(taken)}")
    for name, text in files.items():
        _make_folder((folder / name).parent)
        write_file(folder / name, text)
        click.echo(f"wrote {folder / name}")
    click.echo(f"\nbaremetal-gateway policy check {folder}")
    click.echo(f"baremetal-gateway policy test {folder} --coverage 100")


def _files(folder: Traversable, within: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the starter bundle. The path is relative to the bundle."""
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _files(entry, f"{within}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield f"{within}{entry.name}", entry.read_text(encoding="utf-8")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUsageError(f"{folder} cannot be created: {error.strerror}") from error
