"""The commands. Exit codes: 0 fine, 1 a check found faults, 2 wrong usage or configuration."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__
from gateway.faults import FaultsError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from gateway.config import Config
    from gateway.policy import Bundle, CaseResult
    from gateway.schema import Schema

FOUND_FAULTS = 1
WRONG_CONFIGURATION = 2

_FILE = click.Path(path_type=Path, dir_okay=False)
_config_option = click.option("--config", "file", type=_FILE, help="Configuration file (YAML).")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Policy-enforcing, traced gateway for BareMetal images in Yandex Cloud."""


@main.command()
@_config_option
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))
def serve(file: Path | None, log_level: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    from gateway import app
    from gateway.telemetry import configure_logs

    configure_logs(log_level)
    with _exit_on_faults(WRONG_CONFIGURATION):
        _run(app.serve(_load_config(file), os.environ))


@main.command()
@_config_option
@click.option("--delay", "delay_s", default=1.0, show_default=True, help="Seconds that an operation takes.")
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))
def demo(file: Path | None, delay_s: float, log_level: str) -> None:
    """Serve before a built-in emulator of the cloud."""
    from gateway.demo import run_demo
    from gateway.telemetry import configure_logs

    configure_logs(log_level)
    with _exit_on_faults(WRONG_CONFIGURATION):
        _run(run_demo(_load_config(file), os.environ, delay_s, click.echo))


@main.command()
@_config_option
def routes(file: Path | None) -> None:
    """List the HTTP routes with the methods that they call."""
    from gateway.app import open_schema

    with _exit_on_faults(WRONG_CONFIGURATION):
        config = _load_config(file)
        schema = open_schema(config)
    for method in schema.methods.values():
        for rule in method.rules:
            upstream = config.services[method.service]
            click.echo(f"{rule.verb:<7} {rule.template:<50} {method.name} → {upstream}")


@main.command()
@_config_option
def openapi(file: Path | None) -> None:
    """Print the OpenAPI document of what is served."""
    from gateway.app import describe_api

    with _exit_on_faults(WRONG_CONFIGURATION):
        click.echo(describe_api(_load_config(file)), nl=False)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


@main.group()
def policy() -> None:
    """Check and test bundles of policies."""


_bundle_argument = click.argument("path", required=False, type=click.Path(path_type=Path))


@policy.command()
@_bundle_argument
@_config_option
def check(path: Path | None, file: Path | None) -> None:
    """Check the bundle at PATH: its form, and the types of its expressions."""
    bundle, _ = _open_bundle(path, file)
    methods = len(bundle.bindings)
    click.echo(f"{bundle.hash}: {len(bundle.rules)} rules for {methods} methods, no faults")


@policy.command()
@_bundle_argument
@_config_option
def test(path: Path | None, file: Path | None) -> None:
    """Run the tests of the bundle at PATH."""
    from gateway.policy import run_suites

    bundle, schema = _open_bundle(path, file)
    results = run_suites(bundle, schema)
    failed = [result for result in results if not result.has_passed]
    for result in results:
        _show_result(result)
    uncovered = sorted(bundle.rules.difference(*(result.broken for result in results)))
    covered = len(bundle.rules) - len(uncovered)
    click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    click.echo(f"rules broken by some test: {covered} of {len(bundle.rules)}")
    for rule in uncovered:
        click.echo(f"  never broken: {rule}")
    if failed or not results:
        sys.exit(FOUND_FAULTS)


def _show_result(result: CaseResult) -> None:
    mark = "passed" if result.has_passed else "FAILED"
    click.echo(f"{mark}  {result.file}: {result.case}")
    for difference in result.differences:
        click.echo(f"        {difference}")


def _open_bundle(path: Path | None, file: Path | None) -> tuple[Bundle, Schema]:
    from gateway.app import open_bundle, open_schema

    with _exit_on_faults(WRONG_CONFIGURATION):
        config = _load_config(file)
        schema = open_schema(config)
    if path is not None:
        config = config.model_copy(update={"policies": config.policies.model_copy(update={"path": path})})
    with _exit_on_faults(FOUND_FAULTS):
        return open_bundle(config, schema), schema


def _load_config(file: Path | None) -> Config:
    from gateway.config import load_config

    return load_config(file, os.environ)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(coroutine)


@contextmanager
def _exit_on_faults(code: int) -> Iterator[None]:
    try:
        yield
    except FaultsError as error:
        for fault in error.faults:
            click.echo(str(fault), err=True)
        sys.exit(code)
