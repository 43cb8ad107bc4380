"""Sinks. A sink stores the records of calls.

Each sink has its own module. If a sink has configuration keys, the keys are defined in the same module.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.sinks.file import FileSection, open_file
from gateway.sinks.sink import Sink, SinkError
from gateway.sinks.stdout import open_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SINKS", "FileSection", "Sink", "SinkError", "SinkName", "open_sink"]


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


def open_sink(name: SinkName, section: object) -> Sink | None:
    """Open a sink. Return None for the name `none`, because this sink stores no records.

    Args:
        name: the name of the sink.
        section: the section of the configuration that has the keys of all sinks.

    Raises:
        SinkError: the sink cannot be opened.
    """
    return SINKS[name](section)
