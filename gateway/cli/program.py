"""The commands. Exit codes: 0 success, 1 a check found faults, 2 wrong usage or configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__
from gateway.cli.audit.group import audit
from gateway.cli.closed_streams import reserve_closed_streams
from gateway.cli.command_line import (
    WRONG_CONFIGURATION,
    Commands,
    config_option,
    exit_on_faults,
    import_telemetry,
    load_configuration,
)
from gateway.cli.configuration import config
from gateway.cli.doctor.command import doctor
from gateway.cli.policy.group import policy

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from gateway.config import LogSection


class _Program(Commands):
    """The command `baremetal-gateway`.

    The command reserves the descriptors of closed standard streams before it opens files or sockets.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
        reserve_closed_streams()
        return super().main(*args, **kwargs)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s", help="Print the version and exit.")
def main() -> None:
    """Policy-enforcing, traced gateway for BareMetal images in Yandex Cloud."""


_log_level_option = click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    help="Lowest level that is logged; log.level without this option.",
)


@main.command()
@config_option
@_log_level_option
def serve(file: Path | None, log_level: str | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    _start_logs(log_level)  # before gRPC is imported
    from gateway import process
    from gateway.config.load import load_with_origins

    with exit_on_faults(WRONG_CONFIGURATION):
        config, origins = load_with_origins(file, os.environ)
        _configure_logs(config.log, log_level)
        _run(process.serve(config, os.environ, origins=origins))


@main.command()
@config_option
@click.option(
    "--delay", "delay_s", default=1.0, show_default=True, help="Duration of an operation, in seconds."
)
@_log_level_option
def demo(file: Path | None, delay_s: float, log_level: str | None) -> None:
    """Serve with a built-in emulator of the cloud as the upstream."""
    _start_logs(log_level)
    from gateway.cli.demo import run_demo

    with exit_on_faults(WRONG_CONFIGURATION):
        config = load_configuration(file)
        _configure_logs(config.log, log_level)
        _run(run_demo(config, os.environ, delay_s, click.echo))


@main.command()
@config_option
def routes(file: Path | None) -> None:
    """List the HTTP routes with their methods and upstreams."""
    from gateway.serving.sources import open_schema

    with exit_on_faults(WRONG_CONFIGURATION):
        config = load_configuration(file)
        schema = open_schema(config)
    for method in schema.methods.values():
        for rule in method.rules:
            upstream = config.services.get(method.service, "gateway")
            click.echo(f"{rule.http_method:<7} {rule.template:<50} {method.name} → {upstream}")


@main.command()
@config_option
@click.option(
    "--policies/--no-policies",
    "has_policies",
    default=None,
    help="Show the policies of each method. By default, they are shown if there is a bundle.",
)
def openapi(file: Path | None, *, has_policies: bool | None) -> None:
    """Print the OpenAPI document of the served methods."""
    from gateway.serving.sources import describe_api

    with exit_on_faults(WRONG_CONFIGURATION):
        click.echo(describe_api(load_configuration(file), has_policies=has_policies), nl=False)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


main.add_command(audit)
main.add_command(config)
main.add_command(doctor)
main.add_command(policy)


def _start_logs(level: str | None) -> None:
    """Start the log with the default format, before the configuration is loaded."""
    import_telemetry()
    from gateway.telemetry import capture_other_output, configure_logs

    configure_logs(level or "INFO", line_format="auto")
    capture_other_output()


def _configure_logs(section: LogSection, level: str | None) -> None:
    from gateway.telemetry import configure_logs

    configure_logs(level or section.level, line_format=section.format)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(coroutine)
