"""The common parts of the commands: options, exit codes, and the output of faults.

Exit codes: 0 success, 1 a check found faults, 2 wrong usage or configuration.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized

    from gateway.config import Config
    from gateway.faults import Fault
    from gateway.policy import Bundle
    from gateway.schema import Schema

FOUND_FAULTS = 1
WRONG_CONFIGURATION = 2


class ExistingPath(click.Path):
    """A parameter type for a path that must exist.

    If the path cannot be accessed, the error message contains the reason.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path, exists=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. If the path cannot be accessed, report the reason.

        Without this method, click would always report that the path does not exist.
        """
        try:
            Path(value).stat()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            self.fail(f"Path {click.format_filename(value)!r} cannot be read: {error.strerror}.", param, ctx)
        return super().convert(value, param, ctx)


FILE = click.Path(path_type=Path, dir_okay=False)
PATH = ExistingPath()

config_option = click.option("--config", "file", type=FILE, help="Configuration file (YAML).")
bundle_argument = click.argument("path", required=False, type=PATH)
bundle_option = click.option(
    "--bundle", "path", type=PATH, help="The bundle; the configuration's without this option."
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON.")

_COLORS = {"warning": "yellow", "note": "cyan"}


class WrongUsageError(click.ClickException):
    """The arguments of a command are invalid, or the command cannot read or write a file."""

    exit_code = WRONG_CONFIGURATION


class Commands(click.Group):
    """A group of commands. If reading or writing fails, the group reports the error without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        if sys.stdin is None:  # standard input is closed, and click does not support a closed standard input
            sys.stdin = ctx.with_resource(Path(os.devnull).open(encoding="utf-8"))  # noqa: SIM115 - the context closes it
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader closed the pipe; click handles this error
                raise
            # When the process ends, Python writes the rest of the buffer of standard output. This write would
            # fail again. Therefore standard output is redirected.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            where = f" of {error.filename}" if error.filename else ""
            raise WrongUsageError(f"reading or writing{where} failed: {error.strerror}") from error


@contextmanager
def exit_on_faults(code: int) -> Iterator[None]:
    """If a FaultsError is raised, print its faults and end the process with an exit code."""
    from gateway.faults import FaultsError

    try:
        yield
    except FaultsError as error:
        for fault in error.faults:
            show_fault(fault)
        sys.exit(code)


def show_fault(fault: Fault, level: str = "", *, is_error: bool = True) -> None:
    """Print a fault and its source line. A caret below the line marks the column of the fault.

    A terminal shows colors, unless NO_COLOR is set (https://no-color.org).

    Args:
        fault: the fault to print.
        level: the level of the fault: `warning` or `note`; empty for an error.
        is_error: whether to print to standard error instead of standard output.
    """
    has_no_color = bool(os.environ.get("NO_COLOR"))
    click.echo("\n".join(_fault_lines(fault, level)), err=is_error, color=False if has_no_color else None)


def _fault_lines(fault: Fault, level: str) -> Iterator[str]:
    from gateway.cli.fault_excerpt import make_excerpt

    color = _COLORS.get(level, "red")
    head = [click.style(level, fg=color, bold=True)] if level else []
    head += [click.style(str(fault.position), bold=True)]
    head += [part for part in (fault.key, fault.message) if part]
    yield ": ".join(head)
    excerpt = make_excerpt(fault.position)
    if excerpt is not None:
        number = str(fault.position.line)
        bar = click.style("|", fg="blue")
        caret = click.style("^", fg=color, bold=True)
        yield f"  {click.style(number, fg='blue')} {bar} {excerpt.text}"
        yield f"  {' ' * len(number)} {bar} {' ' * excerpt.offset}{caret}"


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON values."""
    position = fault.position
    return {
        "file": position.file,
        "line": position.line,
        "column": position.column,
        "key": fault.key,
        "message": fault.message,
    }


def import_telemetry() -> None:
    """Import the OpenTelemetry API without a traceback in the log if OTEL_PYTHON_CONTEXT is invalid.

    The gateway reports the variable as a fault later, so this log line is not needed.
    """
    import logging

    api_log = logging.getLogger("opentelemetry.context")
    api_log.disabled = True
    import gateway.telemetry  # noqa: F401 - as said

    api_log.disabled = False


def load_configuration(file: Path | None) -> Config:
    """Return the configuration. If it has faults, end the command."""
    from gateway.config import load_config

    with exit_on_faults(WRONG_CONFIGURATION):
        return load_config(file, os.environ)


def open_schema(file: Path | None) -> tuple[Config, Schema]:
    """Return the configuration and the schema. If there are faults, end the command."""
    from gateway.serving import sources

    config = load_configuration(file)
    with exit_on_faults(WRONG_CONFIGURATION):
        return config, sources.open_schema(config)


def open_bundle(path: Path | None, file: Path | None) -> tuple[Bundle, Schema]:
    """Return a bundle and the schema. If there are faults, end the command.

    Args:
        path: the path of the bundle; None means the bundle of the configuration.
        file: the path of the configuration file; None means the default configuration.
    """
    from gateway.serving import sources

    config, schema = open_schema(file)
    bundle = find_bundle(config, path)
    with exit_on_faults(FOUND_FAULTS):
        return sources.open_bundle(config, schema, bundle), schema


def find_bundle(config: Config, path: Path | None) -> Path:
    """Return the given path of a bundle. If no path is given, return the bundle path in the configuration.

    If the path does not exist, end the command.
    """
    bundle = path or config.policies.path
    if not bundle.exists():
        raise WrongUsageError(
            f"there is no bundle at {bundle}, where policies.path of the configuration points"
        )
    return bundle


def write_file(path: Path, text: str) -> None:
    """Write a text to a file. If the file cannot be written, end the command."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUsageError(f"{path} cannot be written: {error.strerror}") from error


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    from gateway.quoting import escape_json

    click.echo(escape_json(json.dumps(value, ensure_ascii=False, indent=2, default=str)))


def count(things: Sized, name: str) -> str:
    """Return a text that contains a number and a noun, such as `1 rule` or `2 rules`."""
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
