"""Sinks: where the records of calls are kept. Each has its configuration keys in its own module."""

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
    """The names of all sinks, as the configuration has them."""

    STDOUT = "stdout"
    FILE = "file"
    NONE = "none"


SINKS: Mapping[SinkName, Callable[[Any], Sink | None]] = {
    SinkName.STDOUT: open_stdout,
    SinkName.FILE: open_file,
    SinkName.NONE: lambda _section: None,
}
"""Each sink by its name: a function that opens it, given the section of the configuration."""


def open_sink(name: SinkName, section: object) -> Sink | None:
    """Open a sink; None keeps no records.

    Args:
        name: the name of the sink.
        section: the section of the configuration, with the keys of every sink.

    Raises:
        SinkError: it cannot be opened.
    """
    return SINKS[name](section)
