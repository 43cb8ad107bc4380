"""The sinks, which store the records of calls. The configuration keys of a sink are in the sink's module."""

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
"""The name of each sink → the function that opens the sink, given the section of the configuration."""


def open_sink(name: SinkName, section: object) -> Sink | None:
    """Open a sink, or return None for the sink that stores no records.

    Args:
        name: the name of the sink.
        section: the section of the configuration that has the keys of all sinks.

    Raises:
        SinkError: the sink cannot be opened.
    """
    return SINKS[name](section)
