"""A YAML document: the value of the document, and the position of each part of the value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.documents.scalar_places import find_place
from gateway.faults import Position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.documents.scalar_places import Scalar
    from gateway.faults import Path

# The characters that libyaml reads as line breaks.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def split_lines(text: str) -> tuple[str, ...]:
    """Split a text into lines at the line breaks of YAML."""
    return tuple(_LINE_BREAK.split(text))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The name and the lines of a file. The lines are needed to create positions.

    Attributes:
        name: the name of the file.
        lines: the lines of the file.
    """

    name: str
    lines: Sequence[str] = field(repr=False)

    def position(self, line: int, column: int) -> Position:
        """Return the Position for a line number and a column number of the file. Both numbers start at 1."""
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Position(self.name, line, column, source)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        value: the content of the document. It consists of dicts, lists and scalars. The keys of dicts are
            texts.
        file: the name of the file, as shown in error messages.
    """

    value: Any
    file: str
    _source: SourceFile = field(repr=False)
    _positions: dict[Path, Position] = field(repr=False)
    _texts: dict[Path, Scalar] = field(repr=False)

    @property
    def positions(self) -> Mapping[Path, Position]:
        """The positions of all values, by their paths. A value that has a key has the position of the key."""
        return self._positions

    def position(self, path: Path) -> Position:
        """Return the position of the key at a path.

        If the document has no value at the path, return the position of the nearest enclosing key.
        """
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions[path]

    def position_within(self, path: Path, line: int, column: int) -> Position:
        """Convert a position in a text value to the position in the file.

        Args:
            path: the path of the text value.
            line: the number of the line in the text value, from 1.
            column: the number of the column in the text value's line, from 1.
        """
        if path not in self._texts:
            return self.position(path)
        return self._source.position(*find_place(self._source.lines, self._texts[path], (line, column)))
