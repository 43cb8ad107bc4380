"""Sinks. A sink stores the records of calls.

Each sink has its own module. If a sink has configuration keys, the keys are defined in the same module.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.sinks.file import FileSection, check_file, open_file
from gateway.sinks.sink import Sink, SinkError
from gateway.sinks.stdout import open_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CHECKS", "SINKS", "FileSection", "Sink", "SinkError", "SinkName", "check_sink", "open_sink"]


class SinkName(StrEnum):
    """The names of all sinks in the configuration."""

    STDOUT = "stdout"
    FILE = "file"
    NONE = "none"


SINKS: Mapping[SinkName, Callable[[Any], Sink | None]] = {
    SinkName.STDOUT: open_stdout,
    SinkName.FILE: open_file,
    SinkName.NONE: lambda _section: None,
}
"""A mapping from the name of each sink to the function that opens the sink.

The argument of the function is the section of the configuration that has the keys of all sinks.
"""

CHECKS: Mapping[SinkName, Callable[[Any], None]] = {SinkName.FILE: check_file}
"""A mapping from the name of a sink to the function that checks whether the sink can be opened.

Standard output is not checked, because another process has another standard output.
"""


def check_sink(name: SinkName, section: object) -> None:
    """Check whether a sink can be opened. Nothing is created or changed.

    Args:
        name: the name of the sink.
        section: the section of the configuration that has the keys of all sinks.

    Raises:
        SinkError: the sink cannot be opened.
    """
    check = CHECKS.get(name)
    if check is not None:
        check(section)


def open_sink(name: SinkName, section: object) -> Sink | None:
    """Open a sink. Return None for the name `none`, because this sink stores no records.

    Args:
        name: the name of the sink.
        section: the section of the configuration that has the keys of all sinks.

    Raises:
        SinkError: the sink cannot be opened.
    """
    return SINKS[name](section)
