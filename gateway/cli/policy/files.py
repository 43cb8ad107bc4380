"""The commands that hash and sign the files of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.command_line import (
    FOUND_FAULTS,
    WRONG_CONFIGURATION,
    bundle_argument,
    config_option,
    exit_on_faults,
    find_bundle,
    load_configuration,
    write_file,
)

if TYPE_CHECKING:
    from gateway.policy.bundle_files import BundleFiles

_KEY = click.Path(path_type=Path, dir_okay=False)


@click.command("hash")
@bundle_argument
@config_option
@click.option("--write", "is_written", is_flag=True, help="Write bundle.sum, the list of file hashes, first.")
def print_hash(path: Path | None, file: Path | None, *, is_written: bool) -> None:
    """Print the hash of the bundle at PATH, which is what a signature signs.

    With --write, bundle.sum lists every file of the bundle: then a file that is missing, altered or not
    listed is a fault. A signed bundle has to be signed again.
    """
    from gateway.bundles import read_bundle, sums_path, write_sums

    bundle = find_bundle(load_configuration(file), path)
    with exit_on_faults(FOUND_FAULTS):
        if is_written:
            files = read_bundle(bundle, has_sums=False)
            _check_form(files)
            write_file(sums_path(bundle), write_sums(files.texts))
        click.echo(read_bundle(bundle).hash)


@click.command()
@bundle_argument
@config_option
@click.option("--key", required=True, type=_KEY, help="PEM file of an Ed25519 private key.")
def sign(path: Path | None, file: Path | None, key: Path) -> None:
    """Sign the bundle at PATH and write bundle.sig."""
    from gateway.bundles import check_sums, read_bundle, signature_path
    from gateway.bundles.signature import sign_bundle

    bundle = path or find_bundle(load_configuration(file), None)
    with exit_on_faults(FOUND_FAULTS):
        files = read_bundle(bundle)
        check_sums(files)
        _check_form(files)
    with exit_on_faults(WRONG_CONFIGURATION):
        signature = sign_bundle(files, key)
    write_file(signature_path(bundle), f"{signature}\n")
    click.echo(f"signed {files.hash}: {signature_path(bundle)}")


def _check_form(files: BundleFiles) -> None:
    """Check the documents of a bundle, so that an empty or truncated file is never signed or listed.

    Raises:
        FaultsError: a document is invalid. The error contains all faults that were found.
    """
    from gateway.faults import FaultsError
    from gateway.policy.reader import read_documents

    faults = read_documents(files.texts)[1]
    if faults:
        raise FaultsError(faults)
